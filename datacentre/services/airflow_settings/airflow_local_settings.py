"""Imported by every Airflow process at its start, because this folder is on its PYTHONPATH.

The LocalExecutor forks its tasks from the scheduler: what the scheduler has imported costs a task nothing,
where it would cost 10 to 20 seconds of imports in each. Import only: a connection or a thread made before
a fork doesn't survive it.
"""

import contextlib
import importlib
import sys

_SHARED_WITH_TASKS = (
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "deltalake",
    "duckdb",
    "great_expectations",
    "dbt.cli.main",
    "dbt.adapters.duckdb",
    "datacentre.stages.land",
    "datacentre.stages.check",
    "datacentre.stages.build",
    "datacentre.stages.verify",
)

if sys.argv[1:2] == ["scheduler"]:
    for _name in _SHARED_WITH_TASKS:
        # A part that is not installed fails in the task that needs it, with its own message.
        with contextlib.suppress(ImportError):
            importlib.import_module(_name)

__all__: list[str] = []
