"""Test the marts whole, once a day.

A build tests what it adds, so that its cost doesn't grow with history. This run looks at every row, and at how long
each stream has been silent; a failure is an alert that names the test and its file.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("0 21 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["upkeep"],
)
def examine():
    @task(pool="marts_writer", retries=0)
    def test_everything():
        """All of dbt's tests over the last build, and the age of each stream's newest record."""
        from datacentre.settings import from_environment
        from datacentre.stages.examination import examine

        print(examine(from_environment()))

    test_everything()


examine()
