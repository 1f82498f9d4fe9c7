"""Let go of what the contracts keep no longer.

Every night topics get their contract's retention where it has changed, and rows that came in before it leave landed,
quarantine and vault. The next build takes them out of the marts; their files are deleted by `upkeep` a week later.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("0 18 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["upkeep"],
)
def retain():
    @task(retries=1)
    def let_go():
        """Topics by `retention.ms`, tables by ingest date; positions and certificates stay."""
        from datacentre.settings import from_environment
        from datacentre.stages.retain import retain

        for outcome in retain(from_environment()):
            print(outcome)

    let_go()


retain()
