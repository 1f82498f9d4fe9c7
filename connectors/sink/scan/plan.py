"""What the pass needs to know of one contract, as flat arrays."""

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from connectors.sink.scan import kinds
from datacentre.contracts import Contract, Field

_KINDS = {
    "string": kinds.STRING,
    "integer": kinds.INTEGER,
    "number": kinds.NUMBER,
    "boolean": kinds.BOOLEAN,
    "date": kinds.DATE,
    "timestamp": kinds.TIMESTAMP,
}
_NO_LIMIT = np.iinfo(np.int64).max
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Part = tuple[frozenset[int], int, int]


@dataclass(frozen=True)
class ScanPlan:
    """The fields of a contract for `kernel.scan`: arrays by field, in the contract's order."""

    fields: tuple[Field, ...]
    kafka_key: str
    schema_tag: str

    @cached_property
    def arrays(self) -> tuple[Any, ...]:
        """The first argument of `kernel.scan`, in its order."""
        names, name_ends = _packed([f.name.encode() for f in self.fields])
        allowed, allowed_ends, allowed_of = _lists([self._allowed(f) for f in self.fields])
        parts, parts_of, tables = _patterns([pattern_parts(f.pattern) for f in self.fields])
        bounds = [_bounds(f) for f in self.fields]
        count = len(self.fields)
        return (
            names,
            name_ends,
            np.array([kind(f) for f in self.fields], np.int64),
            np.array([f.required for f in self.fields]),
            np.array([_at_least(low) for low, _ in bounds], np.int64),
            np.array([_at_most(high) for _, high in bounds], np.int64),
            np.array([-math.inf if low is None else low for low, _ in bounds], np.float64),
            np.array([math.inf if high is None else high for _, high in bounds], np.float64),
            np.array([f.min_length or 0 for f in self.fields], np.int64),
            np.array([_NO_LIMIT if f.max_length is None else f.max_length for f in self.fields], np.int64),
            allowed,
            allowed_ends,
            allowed_of,
            parts,
            parts_of,
            tables,
            np.array([(n + 1) % count for n in range(count)] + [0], np.int64),
            next(n for n, f in enumerate(self.fields) if f.name == self.kafka_key),
        )

    def _allowed(self, field: Field) -> tuple[bytes, ...] | None:
        if field.name == "schema":
            return (self.schema_tag.encode(),)
        return None if field.allowed is None else tuple(str(v).encode() for v in field.allowed)


def scan_plan(contract: Contract) -> ScanPlan | None:
    """The contract's plan; None where one of its fields has a rule that only the row check in SQL knows."""
    if not all(_is_plain(f) for f in contract.fields):
        return None
    return ScanPlan(contract.fields, contract.kafka_key, contract.schema_tag)


def kind(field: Field) -> int:
    """The kernel's number for the field's type."""
    if field.type == "array":
        return kinds.STRINGS if field.item_type == "string" else kinds.INTEGERS
    return _KINDS[field.type]


def _is_plain(field: Field) -> bool:
    holds_text = field.type == "string" or (field.type == "array" and field.item_type == "string")
    has_range = field.minimum is not None or field.maximum is not None
    return not (
        (field.allowed is not None and not (holds_text and all(isinstance(v, str) for v in field.allowed)))
        or (field.pattern is not None and (not holds_text or pattern_parts(field.pattern) is None))
        or (has_range and field.type in ("string", "boolean", "array"))
        or ((field.min_length or field.max_length) is not None and field.type not in ("string", "array"))
    )


def pattern_parts(pattern: str | None) -> tuple[Part, ...] | None:
    """`^[A-Z]{2}-?[0-9]+$` as ((characters, least, most), ...); None where greedy matching could be wrong.

    Only ASCII characters and classes, each optionally repeated; a part that may repeat must share no
    character with what can follow it, so that taking as many as possible is the only way to match.
    """
    if pattern is None:
        return None
    tokens = re.findall(
        r"(\[(?:\\.|[^\]\\^])(?:\\.|[^\]\\])*\]|\\[+.\-]|[A-Za-z0-9_@/ :-])(\{\d+(?:,\d+)?\}|\?)?", pattern
    )
    if "^" + "".join(a + b for a, b in tokens) + "$" != pattern:
        return None
    parts = tuple((_characters(token), *_repeats(count)) for token, count in tokens)
    return parts if _is_greedy(parts) else None


def _characters(token: str) -> frozenset[int]:
    return frozenset(c for c in range(128) if re.fullmatch(token, chr(c)))


def _repeats(count: str) -> tuple[int, int]:
    if not count:
        return 1, 1
    if count == "?":
        return 0, 1
    least, _, most = count[1:-1].partition(",")
    return int(least), int(most or least)


def _is_greedy(parts: Sequence[Part]) -> bool:
    for position, (characters, least, most) in enumerate(parts):
        if least == most:
            continue
        for following, needed, _ in parts[position + 1 :]:
            if characters & following:
                return False
            if needed:
                break
    return True


def _bounds(field: Field) -> tuple[float | None, float | None]:
    low, high = field.minimum, field.maximum
    return (None if low is None else _number(field, low)), (None if high is None else _number(field, high))


def _number(field: Field, bound: float | str) -> float:
    """A bound as the kernel compares it: days for dates, microseconds for instants."""
    if field.type == "date":
        return (dt.date.fromisoformat(str(bound)) - _EPOCH.date()).days
    if field.type == "timestamp":
        instant = dt.datetime.fromisoformat(str(bound))
        instant = instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)
        return (instant - _EPOCH) // dt.timedelta(microseconds=1)
    return float(bound) if field.type == "number" else bound  # type: ignore[return-value]


def _at_least(low: float | None) -> int:
    return -_NO_LIMIT if low is None else math.ceil(low)


def _at_most(high: float | None) -> int:
    return _NO_LIMIT if high is None else math.floor(high)


def _packed(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all texts, and where each ends, with a leading 0."""
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return np.frombuffer(b"".join(texts) or b"\0", np.uint8), ends


def _lists(lists: Iterable[tuple[bytes, ...] | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values: list[bytes] = []
    of = []
    for allowed in lists:
        of.append((-1, -1) if allowed is None else (len(values), len(values) + len(allowed)))
        values.extend(allowed or ())
    return *_packed(values), np.array(of, np.int64)


def _patterns(patterns: Iterable[tuple[Part, ...] | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts: list[Part] = []
    of = []
    for own in patterns:
        of.append((-1, -1) if own is None else (len(parts), len(parts) + len(own)))
        parts.extend(own or ())
    tables = np.zeros((max(1, len(parts)), 256), np.bool_)
    for n, (characters, _, _) in enumerate(parts):
        tables[n, list(characters)] = True
    bounds = np.array([(least, most) for _, least, most in parts] or [(0, 0)], np.int64)
    return bounds, np.array(of, np.int64), tables
