"""Imported by every Airflow process at its start, because this folder is on its PYTHONPATH.

The LocalExecutor forks its tasks from the scheduler: what the scheduler has imported costs a task nothing,
where it would cost 10 to 20 seconds of imports in each. Import only: a connection or a thread made before
a fork doesn't survive it. The metadata database may be migrating meanwhile: nothing goes on before it is
ready.
"""

import contextlib
import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

_SHARED_WITH_TASKS = (
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "deltalake",
    "duckdb",
    "great_expectations",
    "dbt.cli.main",
    "dbt.adapters.duckdb",
    "expectations.gate",
    "datacentre.stages.alerting",
    "datacentre.stages.land",
    "datacentre.stages.follow",
    "datacentre.stages.verify",
)

if sys.argv[1:2] == ["scheduler"]:
    for _name in _SHARED_WITH_TASKS:
        # A part that is not installed fails in the task that needs it, with its own message.
        with contextlib.suppress(ImportError):
            importlib.import_module(_name)

_SERVICES = (["api-server"], ["dag-processor"], ["scheduler"])
_MIGRATION_SECONDS = 300


def _wait_for_migration(migrated: Path) -> None:
    deadline = time.monotonic() + _MIGRATION_SECONDS
    while not migrated.exists():
        if time.monotonic() >= deadline:
            raise SystemExit(f"the metadata database was not migrated in {_MIGRATION_SECONDS} s: no {migrated}")
        time.sleep(0.1)


if sys.argv[1:2] in _SERVICES and "DATACENTRE_AIRFLOW_MIGRATED" in os.environ:
    _wait_for_migration(Path(os.environ["DATACENTRE_AIRFLOW_MIGRATED"]))


def task_policy(task: Any) -> None:
    """Called by Airflow for every task that it reads: a failure becomes an alert, the next success ends it."""
    task.on_failure_callback = [_task_failed]
    task.on_success_callback = [_task_succeeded]


def _task_failed(context: Any) -> None:
    importlib.import_module("datacentre.stages.alerting").task_failed(context)


def _task_succeeded(context: Any) -> None:
    importlib.import_module("datacentre.stages.alerting").task_succeeded(context)


__all__ = ["task_policy"]
