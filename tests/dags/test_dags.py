"""The DAG files: what they hold, and that reading them costs little."""

import ast
import json
from datetime import timedelta

import pytest

from datacentre import names
from datacentre.settings import REPOSITORY
from datacentre.stages.backup import complete, read_manifest

DAGS = REPOSITORY / "dags"
STREAMS = sorted(path.stem for path in (REPOSITORY / "schemas" / "contracts").glob("*.yaml"))
FLOW = {"land", "check", "build", "release"}
UPKEEP = {"backfill", "backup", "erase", "examine", "forget", "reconcile", "replay", "retain", "upkeep"}
UPKEEP |= {"validation_docs"}
EXPECTED = FLOW | UPKEEP
HEAVY = ("great_expectations", "dbt", "duckdb", "pyarrow", "deltalake", "pandas", "datacentre.stages")


@pytest.fixture(scope="module")
def bag(airflow_variables):
    from airflow.dag_processing.dagbag import DagBag

    assert DAGS.is_absolute()
    return DagBag(dag_folder=str(DAGS))


def test_files_import_and_hold_the_expected_dags(bag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == EXPECTED
    assert len(list(DAGS.glob("*.py"))) == len(EXPECTED)
    assert {dag.dag_id for dag in bag.dags.values() if "upkeep" in dag.tags} == UPKEEP


def test_streams_of_the_dags_are_the_contracts(bag) -> None:
    assert STREAMS
    assert _waits_for(bag.dags["check"]) == {names.landed_asset(key) for key in STREAMS}
    assert _waits_for(bag.dags["build"]) == {names.certified_asset(key) for key in STREAMS}
    assert bag.dags["release"].timetable.asset_condition.name == names.marts_asset()


def test_repairs_take_a_stream_of_the_contracts_and_wake_the_check(bag) -> None:
    for name in ("backfill", "replay"):
        assert bag.dags[name].params.get_param("stream").schema["enum"] == STREAMS
        (task,) = bag.dags[name].tasks
        assert [outlet.name for outlet in task.outlets] == ["lake://landed"]


def test_no_daily_run_is_made_up_for_by_a_centre_that_was_not_there(bag) -> None:
    """Airflow counts a cron of the last tenth of its period as due, unless it is told not to."""
    crons = {name: dag.timetable for name, dag in bag.dags.items() if hasattr(dag.timetable, "expression")}
    daily = {name: cron for name, cron in crons.items() if cron.expression.split()[1].isdigit()}
    assert set(daily) == {"backup", "examine", "reconcile", "retain"}
    assert {name: cron.run_immediately for name, cron in daily.items()} == dict.fromkeys(daily, timedelta(0))


def _waits_for(dag) -> set[str]:
    return {asset.uri for asset in dag.timetable.asset_condition.objects}


def test_every_dag_and_task_is_documented_and_owned(bag) -> None:
    for dag in bag.dags.values():
        assert dag.doc_md, dag.dag_id
        assert dag.tags, dag.dag_id
        for task in dag.tasks:
            assert task.owner == "data-engineering", task.task_id
            assert task.doc_md or task.python_callable.__doc__, task.task_id


def test_no_dag_overlaps_itself_or_catches_up(bag) -> None:
    for dag in bag.dags.values():
        assert dag.max_active_runs == 1, dag.dag_id
        assert dag.catchup is False, dag.dag_id


def test_who_works_in_the_marts_takes_the_writers_slot(bag) -> None:
    pools = {task.task_id: task.pool for dag in bag.dags.values() for task in dag.tasks}

    assert {task_id for task_id, pool in pools.items() if pool == "marts_writer"} == {"publish", "test_everything"}


def test_the_nights_tasks_run_over_an_empty_centre(bag, airflow_settings) -> None:
    bag.dags["upkeep"].get_task("keep_up").python_callable()
    bag.dags["backup"].get_task("back_up_centre").python_callable()

    (made,) = complete(airflow_settings.backups)
    assert read_manifest(made).database == "postgresql"


def test_build_announces_the_marts(bag) -> None:
    from airflow.sdk import Asset

    assert bag.dags["build"].get_task("publish").outlets == [Asset(names.marts_asset())]


def test_files_are_wiring_only() -> None:
    for file in DAGS.glob("*.py"):
        text = file.read_text()
        assert len(text.splitlines()) <= 60, file.name
        assert "environ" not in text.replace("from_environment", ""), file.name
        at_parse = [n for n in ast.parse(text).body if isinstance(n, ast.Import | ast.ImportFrom)]
        imported = {alias.name for n in at_parse if isinstance(n, ast.Import) for alias in n.names}
        imported |= {n.module or "" for n in at_parse if isinstance(n, ast.ImportFrom)}
        allowed = {"airflow.sdk", "airflow.sdk.exceptions", "datacentre", "datacentre.settings", "datetime"}
        assert imported <= allowed | {"logging"}, file.name


def test_reading_the_files_imports_nothing_heavy(run_python) -> None:
    script = f"""
import airflow.settings, json, runpy, sys
from pathlib import Path
before = set(sys.modules)
for file in Path({str(DAGS)!r}).glob("*.py"):
    runpy.run_path(str(file))
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    loaded = json.loads(run_python(script).splitlines()[-1])

    assert [name for name in loaded if name.startswith(HEAVY)] == []
