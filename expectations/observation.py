"""What the batch rules look at in a row: its hour, how late it came, its keys and its classes; no value of a person.

One query over the rows of an increment. A key is made of MD5 over stream, columns and values: 48 bits beside the day of
an event, 63 bits elsewhere. Among a million events of a day any two share one with a probability of 0.002.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from datacentre.contracts import Contract
from datacentre.contracts.batch_rules import CodeShares, Distribution, Drift, Known, Unique
from datacentre.control.landed_keys import DAY_BITS, HASH_BITS, Landed
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
    columns += [f'{_event_key(contract.key, names)} as "{event_key(names)}"' for names in _unique(contract)]
    columns += [f'{_value_key(contract.key, name, name)} as "{value_key(name)}"' for name in contract.looked_up]
    columns += [
        f'{_value_key(*_target(s), column)} as "{reference_column(column, s)}"' for column, s in _references(contract)
    ]
    columns += [
        f'case when not is_deleted then {_class(rule)} end as "{class_column(rule)}"' for rule in _drifts(contract)
    ]
    return f"select {', '.join(columns)} from landed order by kafka_partition, kafka_offset"


def remembered(contract: Contract) -> list[str]:
    """The key columns that are noted once their rows have landed."""
    return [event_key(names) for names in _unique(contract)] + [value_key(name) for name in contract.looked_up]


def event_key(names: Sequence[str]) -> str:
    return f"event_key__{'__'.join(names)}"


def value_key(name: str) -> str:
    return f"value_key__{name}"


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


def _unique(contract: Contract) -> list[tuple[str, ...]]:
    return sorted({r.measure.columns for r in contract.batch_rules if isinstance(r.measure, Unique)})


def _target(source: str) -> tuple[str, str]:
    stream, _, column = source.partition(".")
    return stream, column


def _event_key(stream: str, columns: Sequence[str]) -> str:
    """The day of the event, then the hash: a repeat is of the same day. Null where a value is."""
    day = f"cast((event_date - date '1970-01-01') & {2**DAY_BITS - 1} as bigint) << {HASH_BITS}"
    return f"({day}) | cast({_hash(stream, columns, columns)} >> {64 - HASH_BITS} as bigint)"


def _value_key(stream: str, column: str, value: str) -> str:
    """Below 0. Null where the value is."""
    return f"-1 - cast({_hash(stream, [column], [value])} >> 1 as bigint)"


def _hash(stream: str, columns: Iterable[str], values: Iterable[str]) -> str:
    """64 bits, the same for equal values of a stream's columns whoever asks."""
    parts = [f"'{stream} {','.join(columns)}'", *(f'cast("{value}" as varchar)' for value in values)]
    return f"md5_number_lower({_SEPARATOR.join(parts)})"


def _class(rule: Drift) -> str:
    edges = getattr(rule, "edges", ())
    if not edges:
        return f"coalesce(cast(\"{rule.column}\" as varchar), '{NONE}')"
    below = " ".join(f"when \"{rule.column}\" < {edge} then '<{edge:g}'" for edge in edges)
    return f"case when \"{rule.column}\" is null then '{NONE}' {below} else '>={edges[-1]:g}' end"
