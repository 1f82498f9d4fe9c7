"""What the batch rules look at in a row: its hour, how late it came, its keys and its classes; no value of a person.

One query over the rows of an increment. A key is 63 bits of MD5 over stream, columns and values: among a hundred
million keys two are equal with a probability of one in two thousand.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from datacentre.contracts import Contract
from datacentre.contracts.batch_rules import CodeShares, Distribution, Drift, Known, Unique
from datacentre.control.landed_keys import Landed
from datacentre.control.profiles import Slice, merged

NONE = "(none)"
"""The class of a value that is absent."""

_SLICE = ["hour", "kafka_partition"]
_SEPARATOR = " || chr(31) || "


def observation_query(contract: Contract) -> str:
    """SQL over a relation `landed`; one row out per row in, by partition and offset.

    Columns: origin, `is_deleted`, `hour` of the broker's clock (UTC); `age_minutes` from the event to the broker and
    `ahead_minutes` from the broker to the event (where only its date is known, from its end and to its start); a key
    per set of columns that is looked up or looks something up; and, but for deletions, the class per column whose
    distribution is watched.
    """
    zone = f"at time zone '{contract.time_zone}'"
    columns = [
        "kafka_partition",
        "kafka_offset",
        "is_deleted",
        "date_trunc('hour', broker_time) as hour",
        f"epoch(broker_time - coalesce(event_time, cast(event_date + 1 as timestamp) {zone})) / 60 as age_minutes",
        f"epoch(coalesce(event_time, cast(event_date as timestamp) {zone}) - broker_time) / 60 as ahead_minutes",
    ]
    columns += [f'{_key(contract.key, names, names)} as "{key_column(names)}"' for names in key_sets(contract)]
    columns += [
        f'{_key(*_target(s), [column])} as "{reference_column(column, s)}"' for column, s in _references(contract)
    ]
    columns += [
        f'case when not is_deleted then {_class(rule)} end as "{class_column(rule)}"' for rule in _drifts(contract)
    ]
    return f"select {', '.join(columns)} from landed order by kafka_partition, kafka_offset"


def key_sets(contract: Contract) -> list[tuple[str, ...]]:
    """The sets of columns whose values are remembered once they have landed."""
    unique = {r.measure.columns for r in contract.batch_rules if isinstance(r.measure, Unique)}
    return sorted(unique | {(column,) for column in contract.looked_up})


def key_column(names: Sequence[str]) -> str:
    return f"key__{'__'.join(names)}"


def reference_column(column: str, source: str) -> str:
    return f"reference__{column}__{source.replace('.', '__')}"


def class_column(rule: Drift) -> str:
    """Two rules that cut a column alike share it."""
    edges = getattr(rule, "edges", ())
    return "class__" + "__".join([rule.column, *(f"{e:g}" for e in edges)])


def keys(observed: pa.Table, column: str) -> list[Landed]:
    """The rows that have this key, with it, by partition and offset."""
    rows = observed.select([column, "kafka_partition", "kafka_offset"]).filter(pc.field(column).is_valid())
    return list(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))


def class_counts(contract: Contract, observed: pa.Table) -> dict[str, dict[str, int]]:
    """Rows by class column and class."""
    return merged(piece.counts for piece in slices(contract, observed))


def slices(contract: Contract, observed: pa.Table) -> list[Slice]:
    """The rows by hour and partition, with their counts by class column and class."""
    grouped = observed.group_by(_SLICE).aggregate([("kafka_offset", how) for how in ("count", "min", "max")])
    counts = _counts_by_slice(contract, observed)
    return [
        Slice(
            hour=row["hour"].astimezone(UTC),
            partition=row["kafka_partition"],
            rows=row["kafka_offset_count"],
            first_offset=row["kafka_offset_min"],
            next_offset=row["kafka_offset_max"] + 1,
            counts=counts.get((row["hour"], row["kafka_partition"]), {}),
        )
        for row in grouped.to_pylist()
    ]


def _counts_by_slice(contract: Contract, observed: pa.Table) -> dict[tuple[datetime, int], dict[str, dict[str, int]]]:
    found: dict[tuple[datetime, int], dict[str, dict[str, int]]] = {}
    for column in map(class_column, _drifts(contract)):
        grouped = observed.group_by([*_SLICE, column]).aggregate([("kafka_offset", "count")])
        for row in grouped.filter(pc.field(column).is_valid()).to_pylist():
            of_slice = found.setdefault((row["hour"], row["kafka_partition"]), {})
            of_slice.setdefault(column, {})[row[column]] = row["kafka_offset_count"]
    return found


def _drifts(contract: Contract) -> Iterator[Drift]:
    """One rule for each class column."""
    watched = (r.measure for r in contract.batch_rules if isinstance(r.measure, Distribution | CodeShares))
    yield from {class_column(rule): rule for rule in watched}.values()


def _references(contract: Contract) -> Iterator[tuple[str, str]]:
    """Column and source, `<stream>.<column>`, of every rule that looks something up."""
    for rule in contract.batch_rules:
        if isinstance(rule.measure, Known):
            yield from ((rule.measure.column, source) for source in rule.measure.sources)


def _target(source: str) -> tuple[str, list[str]]:
    stream, _, column = source.partition(".")
    return stream, [column]


def _key(stream: str, columns: Iterable[str], values: Iterable[str]) -> str:
    """Null where a value is."""
    parts = [f"'{stream} {','.join(columns)}'", *(f'cast("{value}" as varchar)' for value in values)]
    return f"cast(md5_number_lower({_SEPARATOR.join(parts)}) >> 1 as bigint)"


def _class(rule: Drift) -> str:
    edges = getattr(rule, "edges", ())
    if not edges:
        return f"coalesce(cast(\"{rule.column}\" as varchar), '{NONE}')"
    below = " ".join(f"when \"{rule.column}\" < {edge} then '<{edge:g}'" for edge in edges)
    return f"case when \"{rule.column}\" is null then '{NONE}' {below} else '>={edges[-1]:g}' end"
