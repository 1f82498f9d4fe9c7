"""Check what has landed and certify it.

Scheduled on any landed stream; one task serves all streams of the round. A passing offset range is certified
and announced; a failing one is held with its reason until an engineer decides, without failing the round or
blocking what comes after. The clock only catches what was landed without an event, by a sink beside Airflow.
"""

import logging
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
        from datacentre.stages.check import check

        outcomes = check(from_environment())
        for outcome in outcomes:
            print(outcome)
            if outcome.detail["held"]:
                logging.getLogger(__name__).warning("held: %s %s", outcome.stream, outcome.detail["reasons"])
            if outcome.detail["certificates"]:
                outlet_events[CERTIFIED].add(Asset(names.certified_asset(outcome.stream)))
        return [f"{o.stream}: {o.detail['error']}" for o in outcomes if "error" in o.detail]

    @task
    def report(unread):
        """Fail the run where a stream could not be read, after the others were announced."""
        if unread:
            raise AirflowFailException("; ".join(unread))

    report(certify())


check()
