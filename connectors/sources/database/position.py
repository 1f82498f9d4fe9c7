"""Where reading stands: the watermark and the key of the last row, kept as JSON without loss."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

Value = Any
"""A watermark or a part of a key, as the database driver gives it."""

_WRITE: dict[type, tuple[str, Callable[[Any], str]]] = {
    int: ("integer", str),
    str: ("text", str),
    float: ("number", repr),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    datetime: ("timestamp", datetime.isoformat),
    date: ("date", date.isoformat),
    bytes: ("bytes", bytes.hex),
}
_READ: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "text": str,
    "number": float,
    "decimal": Decimal,
    "uuid": UUID,
    "timestamp": datetime.fromisoformat,
    "date": date.fromisoformat,
    "bytes": bytes.fromhex,
}


@dataclass(frozen=True)
class Position:
    """The row that was read last: the next one is strictly after it in the order (watermark, key)."""

    watermark: Value
    key: tuple[Value, ...]

    def as_json(self) -> dict[str, Any]:
        """Raises TypeError for a value that can't be a watermark or a key."""
        return {"watermark": _written(self.watermark), "key": [_written(value) for value in self.key]}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Position":
        return cls(_read(stored["watermark"]), tuple(_read(value) for value in stored["key"]))

    @property
    def texts(self) -> tuple[str, ...]:
        """Key and watermark as texts that are the same at every reading, whatever the session's time zone."""
        return tuple(_written(value)[1] for value in (*self.key, self.watermark))


def _written(value: Value) -> tuple[str, str]:
    value = bytes(value) if isinstance(value, memoryview) else value
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    kind, write = _WRITE[type(value)] if type(value) in _WRITE else _unfit(value)
    return kind, write(value)


def _read(stored: list[str]) -> Value:
    kind, text = stored
    return _READ[kind](text)


def _unfit(value: Value) -> tuple[str, Callable[[Any], str]]:
    raise TypeError(f"a value of type {type(value).__name__} can't be a watermark or part of a key")
