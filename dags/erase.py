"""Carry out an erasure that was asked for with `datacentre erase request`.

Started by hand with the number of the request. The person's identifier never comes here: the request holds a
pseudonym only. The run fails, naming the files, while any file of the home holds the identifier.
"""

from airflow.sdk import Param, dag, get_current_context, task


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args={"owner": "data-engineering"},
    params={"request": Param(type="integer", minimum=1, description="number of the erasure request")},
    tags=["upkeep"],
)
def erase():
    @task(retries=0)
    def erase_person():
        """Erase from topic, vault, quarantine, logs and reports; search everything; write the certificate."""
        from datacentre.settings import from_environment
        from datacentre.stages.erase import erase

        number = get_current_context()["params"]["request"]
        print(erase(from_environment(), number, "airflow", print))

    erase_person()


erase()
