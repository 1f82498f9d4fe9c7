"""Assets of both ways, in a DAG that never runs: only the way to the event is measured."""

from airflow.sdk import Asset, AssetAll, AssetWatcher, dag, task

from bench.announce import watched
from bench.announce.commit_trigger import CommitTrigger
from datacentre import names
from datacentre.settings import REPOSITORY

STREAMS = sorted(path.stem for path in (REPOSITORY / "schemas" / "contracts").glob("*.yaml"))
POSTED = [Asset(names.landed_asset(key)) for key in STREAMS]
WATCHED = [Asset(watched(key), watchers=[AssetWatcher(name=key, trigger=CommitTrigger(key))]) for key in STREAMS]


@dag(schedule=AssetAll(Asset("bench://never"), *POSTED, *WATCHED), catchup=False, doc_md=__doc__)
def commits():
    @task
    def nothing():
        """Never run."""

    nothing()


commits()
