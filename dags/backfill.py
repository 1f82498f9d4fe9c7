"""Decode a range of a topic again, after a decoder or a contract was wrong.

Started by hand with stream, partition and offsets. What comes out differently replaces what is in the lake, at the same
offsets; only that is checked and built again, by the DAGs that this one wakes. One that was cut short is finished by
running it again.
"""

from airflow.sdk import Asset, AssetAlias, Param, dag, get_current_context, task

from datacentre import names
from datacentre.settings import REPOSITORY

STREAMS = sorted(path.stem for path in (REPOSITORY / "schemas" / "contracts").glob("*.yaml"))
LANDED = AssetAlias("lake://landed")
OFFSET = {"type": ["integer", "null"], "minimum": 0}


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    params={
        "stream": Param(STREAMS[0], enum=STREAMS, description="stream key"),
        "partition": Param(0, type="integer", minimum=0),
        "start": Param(None, **OFFSET, description="first offset in the lake; the topic's first when empty"),
        "following": Param(None, **OFFSET, description="the offset behind the last; all that has landed when empty"),
    },
    tags=["upkeep"],
)
def backfill():
    @task(outlets=[LANDED], retries=1)
    def decode_again(*, outlet_events):
        """Read the range from the topic, decode it, replace what differs, and withdraw its certificates."""
        from datacentre.settings import from_environment
        from datacentre.stages.backfill import backfill

        given = get_current_context()["params"]
        offsets = given["start"], given["following"]
        print(backfill(from_environment(), given["stream"], given["partition"], "airflow", *offsets))
        outlet_events[LANDED].add(Asset(names.landed_asset(given["stream"])))

    decode_again()


backfill()
