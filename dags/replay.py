"""Judge quarantined records again by today's contract, and land those that are good now, once.

Started by hand, for one stream, one rule or one day. Their offsets are certified anew by the check that this one wakes.
Repairs by a patch file are made with `datacentre quarantine replay --patch`.
"""

from airflow.sdk import Asset, AssetAlias, Param, dag, get_current_context, task

from datacentre import names
from datacentre.settings import REPOSITORY

STREAMS = sorted(path.stem for path in (REPOSITORY / "schemas" / "contracts").glob("*.yaml"))
LANDED = AssetAlias("lake://landed")


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    params={
        "stream": Param(STREAMS[0], enum=STREAMS, description="stream key"),
        "rule": Param(None, type=["string", "null"], description="only records that broke this rule"),
        "day": Param(None, type=["string", "null"], format="date", description="only records of this ingest date"),
    },
    tags=["upkeep"],
)
def replay():
    @task(outlets=[LANDED], retries=1)
    def replay_quarantine(*, outlet_events):
        """Land what today's rules find good; finish replays that were cut short."""
        from datetime import date

        from datacentre.settings import from_environment
        from datacentre.stages.replay import replay
        from lake.quarantine import Selection

        given = get_current_context()["params"]
        chosen = Selection(given["rule"], date.fromisoformat(given["day"]) if given["day"] else None)
        print(replay(from_environment(), given["stream"], "airflow", chosen))
        outlet_events[LANDED].add(Asset(names.landed_asset(given["stream"])))

    replay_quarantine()


replay()
