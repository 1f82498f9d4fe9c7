"""What a row of a mart was made of: from mart to mart, down to the staged records, as each mart's yml says it.

`config: meta: trace:` lists the origins: the relation, and the condition between `traced`, a row of the mart, and
`origin`. A relation is another mart, a staging model, or a reference list (`reference.gewog`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from datacentre.errors import ContractError
from datacentre.located_yaml import read_located

_STAGED, _REFERENCE = "stg_", "reference."
_RECORD = """origin.kafka_partition, origin.kafka_offset, origin.broker_time, origin.source, origin.event_id,
    origin.record_key, origin.schema_version, origin.certificate_id"""


@dataclass(frozen=True)
class Origin:
    """A relation, and how its rows belong to those of the mart."""

    relation: str
    condition: str


@dataclass(frozen=True)
class Mart:
    """A mart's key, and what it is made of."""

    name: str
    key: tuple[str, ...]
    origins: tuple[Origin, ...]


@dataclass(frozen=True)
class Record:
    """A record of the lake that stands in a mart's row; `schema_version` is that of its contract, `certificate` the one
    by which the published version has it."""

    stream: str
    partition: int
    offset: int
    broker_time: Any
    source: str
    event_id: str
    record_key: str
    schema_version: str
    certificate: int


@dataclass(frozen=True)
class Row:
    """The key of a mart's row; how many rows of each mart lie between it and the records; the first records of each
    stream, by place, and how many there are; and the rows of reference lists, by list."""

    key: Mapping[str, Any]
    through: Mapping[str, int]
    records: tuple[Record, ...]
    counts: Mapping[str, int]
    lists: Mapping[str, int]


def load_marts(dbt_project: Path) -> dict[str, Mart]:
    """By name; raises ContractError where a yml doesn't say how its mart is traced."""
    found = {}
    for file in sorted((dbt_project / "models" / "marts").glob("[!_]*.yml")):
        located = read_located(file)
        for place, model in enumerate(located.value.get("models", [])):
            where = ("models", place, "config", "meta", "trace")
            rules = model.get("config", {}).get("meta", {}).get("trace")
            if not rules:
                raise located.error(where, "say which relations its rows are made of, and by which columns")
            origins = tuple(Origin(rule["origin"], rule["by"]) for rule in rules)
            found[model["name"]] = Mart(model["name"], _key(model), origins)
    return found


def _key(model: Mapping[str, Any]) -> tuple[str, ...]:
    for test in model["data_tests"]:
        if "unique_together" in test:
            return tuple(test["unique_together"]["arguments"]["columns"])
    raise ContractError(f"{model['name']}: no test unique_together says what a row is")


def trace_row(
    connection: duckdb.DuckDBPyConnection, marts: Mapping[str, Mart], name: str, asked: Sequence[str], most: int
) -> Row:
    """The one row whose key holds all that is asked: `column=value`, or a value of any column of the key.

    No more than `most` records of a stream are read: a cell may be made of millions. Raises ContractError where there
    is no such mart or row, or more than one.
    """
    if name not in marts:
        raise ContractError(f"no mart {name!r}; there are {', '.join(marts)}")
    mart = marts[name]
    key = _one_row(connection, mart, asked)
    through: dict[str, int] = {}
    lists: dict[str, int] = {}
    connection.execute(
        """create or replace temp table traced_place (stream text, kafka_partition integer, kafka_offset bigint,
            primary key (stream, kafka_partition, kafka_offset))"""
    )
    _descend(connection, marts, mart, through, lists)
    counts = connection.execute("select stream, count(*) from traced_place group by stream order by stream").fetchall()
    records = [record for stream, _ in counts for record in _first(connection, stream, most)]
    return Row(key, through, tuple(records), dict(counts), lists)


def _first(connection: duckdb.DuckDBPyConnection, stream: str, most: int) -> Iterator[Record]:
    rows = connection.execute(
        f"""with place as (
            select kafka_partition, kafka_offset from traced_place where stream = $1
            order by kafka_partition, kafka_offset limit $2
        )
        select {_RECORD} from lake.{stream} as origin
        where (origin.kafka_partition, origin.kafka_offset) in (select (kafka_partition, kafka_offset) from place)
        order by origin.kafka_partition, origin.kafka_offset""",
        [stream, most],
    ).fetchall()
    yield from (Record(stream, *row) for row in rows)


def _one_row(connection: duckdb.DuckDBPyConnection, mart: Mart, asked: Sequence[str]) -> dict[str, Any]:
    """Leave the row as temporary table `traced_0`."""
    conditions, values = _conditions(mart, asked)
    connection.execute(f"create or replace temp table traced_0 as from marts.{mart.name} where {conditions}", values)
    found = connection.execute(f"select {', '.join(mart.key)} from traced_0 limit 2").fetchall()
    if len(found) != 1:
        told = "no row has" if not found else "more than one row has"
        raise ContractError(f"{mart.name}: {told} {' '.join(asked)}; its key is {', '.join(mart.key)}")
    return dict(zip(mart.key, found[0], strict=True))


def _conditions(mart: Mart, asked: Sequence[str]) -> tuple[str, list[str]]:
    parts, values = [], []
    for word in asked:
        column, is_named, value = word.partition("=")
        if is_named and column not in mart.key:
            raise ContractError(f"{mart.name}: {column!r} is no column of its key, {', '.join(mart.key)}")
        columns = [column] if is_named else mart.key
        values.append(value if is_named else word)
        parts.append(f"list_contains([{', '.join(f'{c}::text' for c in columns)}], ${len(values)})")
    return " and ".join(parts) or "true", values


def _descend(
    connection: duckdb.DuckDBPyConnection,
    marts: Mapping[str, Mart],
    mart: Mart,
    through: dict[str, int],
    lists: dict[str, int],
    depth: int = 0,
) -> None:
    """From the rows in `traced_<depth>`, of this mart, to what they are made of."""
    for origin in mart.origins:
        name, where = origin.relation, f"exists (from traced_{depth} as traced where {origin.condition})"
        if name.startswith(_STAGED):
            connection.execute(
                f"""insert or ignore into traced_place select $1, origin.kafka_partition, origin.kafka_offset
                from staging.{name} as origin where {where}""",
                [name.removeprefix(_STAGED)],
            )
        elif name.startswith(_REFERENCE):
            count = connection.execute(f"select count(*) from {name} as origin where {where}").fetchall()[0][0]
            lists[name.removeprefix(_REFERENCE)] = int(count)
        else:
            table = f"traced_{depth + 1}"
            connection.execute(f"create or replace temp table {table} as from marts.{name} as origin where {where}")
            count = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
            through[name] = through.get(name, 0) + int(count)
            _descend(connection, marts, marts[name], through, lists, depth + 1)
