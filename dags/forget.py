"""Carry out the deletions that agencies have sent.

Once an hour the vault forgets the identity of records deleted by key. Safe beside running sinks and safe to
repeat; the marts have hidden the records since their build after the deletion landed.
"""

from airflow.sdk import dag, task


@dag(
    schedule="@hourly",
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    tags=["upkeep"],
)
def forget():
    @task
    def forget_deleted():
        """Delete the vault rows of deleted records, by offset."""
        from datacentre.settings import from_environment
        from datacentre.stages.forget import forget

        for outcome in forget(from_environment()):
            print(outcome)

    forget_deleted()


forget()
