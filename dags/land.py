"""Land every stream, from Kafka into the lake.

One task brings all landed tables to the ends of their topics as seen when it starts, and announces the
streams that moved, all at once, so that one round of `check` serves them. Started by `datacentre`, by hand,
or by a sweep every five minutes; it may come twice, with nothing new it announces nothing.
"""

from datetime import timedelta

from airflow.sdk import Asset, AssetAlias, CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException

from datacentre import names

LANDED = AssetAlias("lake://landed")


@dag(
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["flow"],
)
def land():
    @task(outlets=[LANDED], retries=2, retry_delay=timedelta(seconds=5))
    def land_streams(*, outlet_events):
        """Write what the topics hold to landed, quarantine and vault, exactly once."""
        from datacentre.settings import from_environment
        from datacentre.stages.land import land

        outcomes = land(from_environment())
        for outcome in outcomes:
            print(outcome)
            if outcome.rows_in:
                outlet_events[LANDED].add(Asset(names.landed_asset(outcome.stream)))
        return [f"{o.stream}: {o.detail['error']}" for o in outcomes if "error" in o.detail]

    @task
    def report(left_out):
        """Fail the run where a stream could not be landed, after the others were announced."""
        if left_out:
            raise AirflowFailException("; ".join(left_out))

    report(land_streams())


land()
