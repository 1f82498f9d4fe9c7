"""Reconcile topics and lake once a day, offset by offset.

A topic is what landed and what is in quarantine, never both; the vault is what landed with an identity. A
difference is an alert, and fails the run with the stream, the partition and the offsets.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("0 20 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["upkeep"],
)
def reconcile():
    @task(retries=0)
    def verify_streams():
        """Compare up to the lake's positions, because records go on arriving meanwhile."""
        from datacentre.settings import from_environment
        from datacentre.stages.verify import reconcile

        print(f"{len(reconcile(from_environment()))} partitions reconcile")

    verify_streams()


reconcile()
