"""Back up the centre every night.

Keys, lake, control store and published marts go to `DATACENTRE_BACKUPS`; backups older than `DATACENTRE_BACKUP_DAYS`
are deleted. Sinks, checks and builds go on meanwhile. To restore: docs/runbooks/restore-from-backup.md.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("0 19 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["upkeep"],
)
def backup():
    @task(retries=2, retry_delay=timedelta(minutes=10))
    def back_up_centre():
        """Certificates first, tables after them; files that the backup before has are linked."""
        from datacentre.settings import from_environment
        from datacentre.stages.backup import backup

        print(backup(from_environment()))

    back_up_centre()


backup()
