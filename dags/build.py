"""Build the marts from what is certified, and publish them.

Scheduled on any certified stream. One task, in a pool of one slot because DuckDB takes one writer at a time; it
goes on with what is certified meanwhile. The hour only catches a certificate whose event was lost, or that an
engineer released; a new centre has its empty marts at once, so that its first records needn't wait for them.
"""

from airflow.sdk import Asset, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from datacentre import names
from datacentre.settings import REPOSITORY

STREAMS = sorted(path.stem for path in (REPOSITORY / "schemas" / "contracts").glob("*.yaml"))
HOURLY = CronTriggerTimetable("30 * * * *", timezone="UTC", run_immediately=True)


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=HOURLY, assets=AssetAny(*(Asset(names.certified_asset(key)) for key in STREAMS))
    ),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["flow"],
)
def build():
    @task(pool="marts_writer", outlets=[Asset(names.marts_asset())])
    def publish():
        """Run dbt over the certified ranges; readers get the new version once all of it has passed."""
        from datacentre.settings import from_environment
        from datacentre.stages.follow import build_as_certified

        build_as_certified(from_environment(), print)

    publish()


build()
