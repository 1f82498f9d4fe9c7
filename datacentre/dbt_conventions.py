"""`python -m datacentre.dbt_conventions`: does each dbt model keep to the house's conventions?

Reads what dbt itself has parsed. One line per problem: file, model, rule.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datacentre.errors import CheckFailed
from datacentre.settings import from_environment

PREFIXES = {"staging": ("stg_", "base_"), "intermediate": ("int_",), "marts": ("fct_", "dim_", "agg_")}
_MOST_LINES = 99
_TYPES = {"_at": "timestamp with time zone", "_date": "date"}
_FINAL = re.compile(r"\bfinal as \(\s*select\s+\*", re.IGNORECASE)


@dataclass(frozen=True)
class Model:
    """A model as dbt has parsed it. `columns` have their declared type, "" where none is; `parents` are
    `staging.stg_x` or, for sources, `source.lake.x`; `tests` are names of the generic tests on it."""

    name: str
    file: str
    layer: str
    materialized: str
    description: str
    group: str | None
    has_contract: bool
    columns: Mapping[str, str]
    undescribed: tuple[str, ...]
    parents: tuple[str, ...]
    tests: tuple[str, ...]
    sql: str


Rule = Callable[[Model], Iterator[str]]


def problems(models: Mapping[str, Model]) -> list[str]:
    """One line per broken rule, by file."""
    return sorted(
        f"{m.file}: {m.name}: {rule.__name__.replace('_', ' ')}: {text}"
        for m in models.values()
        for rule in RULES
        for text in rule(m)
    )


def named_for_its_layer(model: Model) -> Iterator[str]:
    allowed = PREFIXES.get(model.layer)
    if allowed is None:
        yield f"folder {model.layer!r} is none of {', '.join(PREFIXES)}"
    elif not model.name.startswith(allowed):
        yield f"a model in {model.layer} begins with {' or '.join(allowed)}"


def described_by_its_grain(model: Model) -> Iterator[str]:
    if not model.description.startswith("One row per "):
        yield 'its description must begin "One row per "'
    for column in model.undescribed:
        yield f"column {column} has no description"


def owned(model: Model) -> Iterator[str]:
    if not model.group:
        yield "it has no group, so nobody owns it"


def unique_by_a_key(model: Model) -> Iterator[str]:
    if model.materialized != "ephemeral" and "unique_together" not in model.tests:
        yield "no test unique_together says what a row is"


def contracted(model: Model) -> Iterator[str]:
    if model.layer != "marts":
        return
    if not model.has_contract:
        yield "a mart's contract is enforced"
    for column, kind in model.columns.items():
        if not kind:
            yield f"column {column} has no data_type"


def typed_by_name(model: Model) -> Iterator[str]:
    for column, kind in model.columns.items():
        for suffix, wanted in _TYPES.items():
            if kind and column.endswith(suffix) and kind != wanted:
                yield f"column {column} ends in {suffix}, so it is {wanted}, not {kind}"
        if kind and column.startswith(("is_", "has_")) != (kind == "boolean"):
            yield f"column {column} is {kind}: is_ and has_ are for booleans, and booleans have one of them"


def built_on_the_layer_below(model: Model) -> Iterator[str]:
    for parent in model.parents:
        layer, _, name = parent.partition(".")
        if model.layer == "staging" and layer in ("intermediate", "marts"):
            yield f"staging reads {name}, of {layer}"
        if model.layer == "intermediate" and layer == "marts":
            yield f"an intermediate model reads the mart {name}"
        if model.layer == "marts" and name.startswith("lake."):
            yield f"a mart reads {name} past its staging model"


def ends_in_final(model: Model) -> Iterator[str]:
    if "\nselect * from final" not in model.sql:
        yield "it ends in `select * from final`"
    if model.layer == "marts" and _FINAL.search(model.sql):
        yield "the columns of final are listed, without `select *`"


def short(model: Model) -> Iterator[str]:
    lines = model.sql.count("\n") + 1
    if lines > _MOST_LINES:
        yield f"{lines} lines of SQL are more than {_MOST_LINES}: it does two things"


RULES: tuple[Rule, ...] = (
    named_for_its_layer,
    described_by_its_grain,
    owned,
    unique_by_a_key,
    contracted,
    typed_by_name,
    built_on_the_layer_below,
    ends_in_final,
    short,
)


def parsed_models(dbt_project: Path) -> dict[str, Model]:
    """The project's models by name; raises CheckFailed when dbt can't parse it."""
    from dbt.cli.main import dbtRunner

    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATACENTRE_MARTS_FILE", f"{folder}/work.duckdb")
        os.environ.setdefault("DATACENTRE_CERTIFIED_FILE", f"{folder}/certified.duckdb")
        places = ["--project-dir", str(dbt_project), "--profiles-dir", str(dbt_project)]
        places += ["--target-path", folder, "--log-path", folder]
        result = dbtRunner().invoke(["--quiet", "--no-write-json", "parse", *places])
    if not result.success:
        raise CheckFailed(f"{dbt_project}: {' '.join(str(result.exception).split())}")
    return _models(result.result)


def _models(manifest: Any) -> dict[str, Model]:
    tests: dict[str, list[str]] = {}
    for node in manifest.nodes.values():
        if getattr(node, "attached_node", None):
            tests.setdefault(node.attached_node, []).append(node.test_metadata.name)
    return {
        node.name: Model(
            name=node.name,
            file=node.original_file_path,
            layer=node.fqn[1],
            materialized=node.config.materialized,
            description=node.description,
            group=node.group,
            has_contract=node.config.contract.enforced,
            columns={name: column.data_type or "" for name, column in node.columns.items()},
            undescribed=tuple(name for name, column in node.columns.items() if not column.description),
            parents=tuple(_parent(manifest, name) for name in node.depends_on.nodes),
            tests=tuple(tests.get(node.unique_id, ())),
            sql=node.raw_code,
        )
        for node in manifest.nodes.values()
        if node.resource_type == "model"
    }


def _parent(manifest: Any, unique_id: str) -> str:
    if unique_id in manifest.sources:
        source = manifest.sources[unique_id]
        return f"source.{source.source_name}.{source.name}"
    node = manifest.nodes[unique_id]
    return f"{node.fqn[1]}.{node.name}"


def main() -> int:
    found = problems(parsed_models(from_environment().dbt_project))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
