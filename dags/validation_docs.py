"""Draw the validation pages, once a minute, where they would show something new.

On the clock and not behind `check`: so a round of certification never waits for pages, however quickly rounds follow
each other, and a decision on a held increment shows too, which announces nothing.
"""

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["upkeep"],
)
def validation_docs():
    @task(retries=0)
    def draw():
        """Add up what was validated, and replace the pages as a whole."""
        from datacentre.settings import from_environment
        from datacentre.stages.validation_docs import refresh_validation

        print(refresh_validation(from_environment()) or "nothing new")

    draw()


validation_docs()
