"""Check what has landed and certify it.

Scheduled on any landed stream; one task serves all streams, and goes on with what lands meanwhile. A passing
offset range is certified and announced; a failing one is held with its reason until an engineer decides, without
failing the round or blocking what comes after. The clock only catches what was landed without an event.
"""

from datetime import timedelta

from airflow.sdk import Asset, AssetAlias, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException

from datacentre import names
from datacentre.settings import REPOSITORY

STREAMS = sorted(path.stem for path in (REPOSITORY / "schemas" / "contracts").glob("*.yaml"))
CERTIFIED = AssetAlias("lake://certified")
EVERY_TEN_MINUTES = CronTriggerTimetable("*/10 * * * *", timezone="UTC", run_immediately=timedelta(0))


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=EVERY_TEN_MINUTES, assets=AssetAny(*(Asset(names.landed_asset(key)) for key in STREAMS))
    ),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["flow"],
)
def check():
    @task(outlets=[CERTIFIED], retries=1, retry_delay=timedelta(seconds=5))
    def certify(*, outlet_events):
        """Audit every landed range without a certificate; announce the streams that got one."""
        from datacentre.settings import from_environment
        from datacentre.stages.follow import check_as_it_lands

        seen = check_as_it_lands(from_environment(), print)
        for stream in sorted(seen.certified):
            outlet_events[CERTIFIED].add(Asset(names.certified_asset(stream)))
        return [f"{stream}: {error}" for stream, error in seen.unread.items()]

    @task
    def report(unread):
        """Fail the run where a stream could not be read, after the others were announced."""
        if unread:
            raise AirflowFailException("; ".join(unread))

    report(certify())


check()
