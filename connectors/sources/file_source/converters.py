"""The closed set of conversions from a cell's text to a contract's type.

Every conversion is strict: it raises ValueError instead of guessing (`1_000`, `nan`, `2024-1-5`).
"""

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.sources.file_source.mapping import Step
from datacentre.contracts.model import Field

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*")
_LONGEST_WHOLE_NUMBER = 40
_TRUTH = {"true": True, "t": True, "yes": True, "y": True, "1": True,
          "false": False, "f": False, "no": False, "n": False, "0": False}  # fmt: skip

Run = Callable[[Any], Any]


@dataclass(frozen=True)
class Converter:
    """A conversion: the kind of value it takes, the kinds it may give, and the function.

    Kinds are `text` and the contract's types other than string.
    """

    takes: str
    gives: tuple[str, ...]
    run: Run


def converter(step: Step) -> Converter:
    """The conversion of one step; raises ValueError when an option is missing, unknown or unused."""
    given = {name for name in ("format", "zone", "date_at_midnight_in", "separator") if getattr(step, name)}
    allowed = {"date": {"format"}, "timestamp": {"format", "zone", "date_at_midnight_in"}, "list": {"separator"}}
    if unused := given - allowed.get(step.name, set()):
        raise ValueError(f"{step.name} takes no option {', '.join(sorted(unused))}")
    if step.name == "date":
        return Converter("text", ("date",), day_reader(step.format))
    if step.name == "timestamp":
        gives = ("timestamp", "date") if step.date_at_midnight_in else ("timestamp",)
        return Converter("text", gives, moment_reader(step))
    if step.name == "list":
        return Converter("text", ("array",), list_splitter(step.separator or ";"))
    return _PLAIN[step.name]


def of_type(field: Field) -> Converter:
    """The conversion that the contract's own type asks for; arrays split at `;`."""
    if field.type == "timestamp":
        return Converter("text", ("timestamp",), _moment_or_day if field.allows_date_only else _moment)
    if field.type == "date":
        return Converter("text", ("date",), day_reader(None))
    if field.type == "array":
        return Converter("text", ("array",), list_splitter(";"))
    return _PLAIN["text" if field.type == "string" else field.type]


def day_reader(pattern: str | None) -> Run:
    """Text to `YYYY-MM-DD`, by a strptime pattern or ISO 8601."""

    @lru_cache(maxsize=4096)
    def read(text: str) -> str:
        if pattern is not None:
            return datetime.strptime(text, pattern).date().isoformat()
        if not _DAY.fullmatch(text):
            raise ValueError("not a date YYYY-MM-DD")
        return date.fromisoformat(text).isoformat()

    return read


def moment_reader(step: Step) -> Run:
    """Text to an RFC 3339 instant in UTC, or to the local date where the clock says only that."""
    zone = _zone(step.zone) if step.zone else None
    midnight_zone = _zone(step.date_at_midnight_in) if step.date_at_midnight_in else None
    pattern = step.format

    def read(text: str) -> str:
        if pattern is None and not _MOMENT.fullmatch(text):
            raise ValueError("not a timestamp YYYY-MM-DDThh:mm:ss")
        moment = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)
        if moment.tzinfo is None:
            if zone is None:
                raise ValueError("carries no zone, and the mapping names none")
            moment = moment.replace(tzinfo=zone)
        if midnight_zone is not None:
            local = moment.astimezone(midnight_zone)
            if local.time() == time():
                return local.date().isoformat()
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

    return read


def list_splitter(separator: str) -> Run:
    """Text to its trimmed parts; a list (from JSON or Parquet) stays."""

    def split(value: str | list[str]) -> list[str]:
        if isinstance(value, list):
            return value
        return [part.strip() for part in value.split(separator)]

    return split


def whole_number(text: str) -> int:
    """An integer that a spreadsheet wrote as a number: `42.0`, `4.2E1`."""
    try:
        exact = Decimal(text.strip()) if _NUMBER.fullmatch(text.strip()) else Decimal("nan")
    except InvalidOperation:
        exact = Decimal("nan")
    if not exact.is_finite() or exact.adjusted() > _LONGEST_WHOLE_NUMBER or exact != exact.to_integral_value():
        raise ValueError("not a whole number")
    return int(exact)


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError("not an integer")
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text)):
        raise ValueError("not a number")
    return value


def _boolean(text: str) -> bool:
    try:
        return _TRUTH[text.strip().lower()]
    except KeyError:
        raise ValueError("not a yes or no") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown time zone {name!r}") from None


_iso_day = day_reader(None)
_moment = moment_reader(Step(name="timestamp"))


def _moment_or_day(text: str) -> str:
    return str(_iso_day(text) if len(text) == 10 else _moment(text))


_PLAIN = {
    "trim": Converter("text", ("text",), str.strip),
    "upper": Converter("text", ("text",), str.upper),
    "lower": Converter("text", ("text",), str.lower),
    "sha256": Converter("text", ("text",), lambda text: hashlib.sha256(text.encode()).hexdigest()),
    "integer": Converter("text", ("integer",), _integer),
    "whole_number": Converter("text", ("integer",), whole_number),
    "number": Converter("text", ("number",), _number),
    "boolean": Converter("text", ("boolean",), _boolean),
    "text": Converter("any", ("text",), str),
}
