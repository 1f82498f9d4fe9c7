"""The conventions of dbt models: the project keeps them, and each rule finds what breaks it."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datacentre.dbt_conventions import RULES, Model, parsed_models, problems
from datacentre.errors import CheckFailed
from datacentre.settings import REPOSITORY

GOOD = Model(
    name="fct_visit",
    file="models/marts/fct_visit.sql",
    layer="marts",
    materialized="incremental",
    description="One row per visit.",
    group="jdwnrh",
    has_contract=True,
    columns={
        "visit_id": "varchar",
        "booked_at": "timestamp with time zone",
        "booked_date": "date",
        "is_booked": "boolean",
    },
    undescribed=(),
    parents=("staging.stg_jdwnrh__hospital_visit", "source.reference.office"),
    tests=("holds", "unique_together"),
    sql="with final as (\n    select visit_id from visit\n)\n\nselect * from final\n",
)
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("named for its layer", {"name": "visits"}, "begins with fct_ or dim_ or agg_"),
    ("named for its layer", {"layer": "staging", "name": "fct_visit"}, "begins with stg_ or base_"),
    ("named for its layer", {"layer": "reports"}, "folder 'reports' is none of"),
    ("described by its grain", {"description": "Visits."}, 'must begin "One row per "'),
    ("described by its grain", {"description": ""}, 'must begin "One row per "'),
    ("described by its grain", {"undescribed": ("booked_at",)}, "column booked_at has no description"),
    ("owned", {"group": None}, "no group"),
    ("unique by a key", {"tests": ("holds",)}, "no test unique_together"),
    ("contracted", {"has_contract": False}, "contract is enforced"),
    ("contracted", {"columns": {"visit_id": ""}}, "column visit_id has no data_type"),
    ("typed by name", {"columns": {"booked_at": "date"}}, "booked_at ends in _at"),
    ("typed by name", {"columns": {"booked_at": "timestamp"}}, "booked_at ends in _at"),
    ("typed by name", {"columns": {"booked_date": "timestamp with time zone"}}, "booked_date ends in _date"),
    ("typed by name", {"columns": {"is_booked": "integer"}}, "is_booked is integer"),
    ("typed by name", {"columns": {"has_booking": "varchar"}}, "has_booking is varchar"),
    ("typed by name", {"columns": {"booked": "boolean"}}, "booked is boolean"),
    ("built on the layer below", {"parents": ("source.lake.x__y",)}, "reads lake.x__y past its staging model"),
    (
        "built on the layer below",
        {"layer": "staging", "name": "stg_x__y", "parents": ("marts.fct_visit",)},
        "staging reads fct_visit",
    ),
    (
        "built on the layer below",
        {"layer": "intermediate", "name": "int_visit", "parents": ("marts.fct_visit",)},
        "reads the mart fct_visit",
    ),
    ("ends in final", {"sql": "select visit_id from visit\n"}, "ends in `select * from final`"),
    ("ends in final", {"sql": "with final as (\n  select * from visit\n)\n\nselect * from final\n"}, "are listed"),
    ("short", {"sql": "\n" * 99 + "select * from final\n"}, "more than 99"),
]


def test_a_good_model_breaks_no_rule() -> None:
    assert problems({GOOD.name: GOOD}) == []


@pytest.mark.parametrize(("rule", "change", "text"), BAD, ids=[f"{rule}-{text}" for rule, _, text in BAD])
def test_a_bad_model_is_named_with_its_file_and_rule(rule: str, change: dict[str, Any], text: str) -> None:
    model = replace(GOOD, **change)
    (line,) = problems({model.name: model})
    assert line.startswith(f"models/marts/fct_visit.sql: {model.name}: {rule}: ")
    assert text in line


def test_every_rule_has_a_bad_example() -> None:
    assert {rule.__name__.replace("_", " ") for rule in RULES} == {rule for rule, _, _ in BAD}


def test_the_project_keeps_them_and_a_model_without_yml_does_not(tmp_path: Path) -> None:
    project = shutil.copytree(REPOSITORY / "dbt_project", tmp_path / "dbt_project")
    (project / "models" / "marts" / "visits.sql").write_text("select 1 as visit\n")
    models = parsed_models(project)
    assert len(models) > 20
    found = problems(models)
    assert [line.split(": ")[2] for line in found] == [
        "described by its grain",
        "ends in final",
        "named for its layer",
        "owned",
        "unique by a key",
    ]
    assert all(line.startswith("models/marts/visits.sql: visits: ") for line in found)


def test_a_project_that_dbt_cannot_parse_is_named(tmp_path: Path) -> None:
    project = shutil.copytree(REPOSITORY / "dbt_project", tmp_path / "dbt_project")
    (project / "models" / "marts" / "fct_broken.sql").write_text("select * from {{ ref('nowhere') }}\n")
    with pytest.raises(CheckFailed, match=r"fct_broken.*nowhere"):
        parsed_models(project)
