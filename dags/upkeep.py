"""Keep the lake's tables quick.

Once an hour small files are merged, old log entries cleaned away and files deleted that nothing has named for a week.
Sinks do the same beside their commits; this is for streams that rest. Published versions of the marts are cleaned by
the build that replaces them, and the builds' copy of certified rows follows the certificates.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("15 * * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["upkeep"],
)
def upkeep():
    @task(retries=1)
    def keep_up():
        """Compact, clean the logs and vacuum beside running sinks and readers."""
        from datacentre.settings import from_environment
        from datacentre.stages.upkeep import upkeep

        for table in upkeep(from_environment()):
            print(table)

    keep_up()


upkeep()
