"""Release the published marts to the consumers that have an agreement.

Scheduled on the marts. A consumer gets a new release only where its own would say something new, and not within
minutes of the one before. The clock makes those that came too soon, ends what an agreement's last day ends, and deletes
releases that nobody reads any more.
"""

from datetime import timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException

from datacentre import names

EVERY_FIVE_MINUTES = CronTriggerTimetable("*/5 * * * *", timezone="UTC", run_immediately=timedelta(0))


@dag(
    schedule=AssetOrTimeSchedule(timetable=EVERY_FIVE_MINUTES, assets=Asset(names.marts_asset())),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["flow"],
)
def release():
    @task(retries=2, retry_delay=timedelta(seconds=20))
    def compile_releases():
        """Write each consumer's rows and columns, and point to them; returns what failed, for the others went on."""
        from datacentre.settings import from_environment
        from datacentre.stages.release import PACE, release

        outcomes = release(from_environment(), pace=PACE)
        for outcome in outcomes:
            print(outcome)
        return [f"{o.stream}: {o.detail['error']}" for o in outcomes if "error" in o.detail]

    @task
    def report(failed):
        """Fail the run where a consumer's release could not be made."""
        if failed:
            raise AirflowFailException("; ".join(failed))

    report(compile_releases())


release()
