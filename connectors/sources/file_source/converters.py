"""The closed set of conversions from a cell's text to a contract's type.

Every conversion is strict: it raises ValueError instead of guessing (`1_000`, `nan`, `2024-1-5`).
"""

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.sources.file_source.clock import day_reader, moment_or_day_reader, moment_reader
from connectors.sources.file_source.mapping import Step
from datacentre.contracts.model import Field

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LONGEST_WHOLE_NUMBER = 40
_TRUTH = {"true": True, "t": True, "yes": True, "y": True, "1": True,
          "false": False, "f": False, "no": False, "n": False, "0": False}  # fmt: skip

_ALL_OPTIONS = ("format", "zone", "date_at_midnight_in", "separator")
_OPTIONS = {"date": _ALL_OPTIONS[:1], "timestamp": _ALL_OPTIONS[:3], "list": _ALL_OPTIONS[3:]}

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
    given = {name for name in _ALL_OPTIONS if getattr(step, name) is not None}
    if unused := given.difference(_OPTIONS.get(step.name, ())):
        raise ValueError(f"{step.name} takes no option {', '.join(sorted(unused))}")
    if step.name == "date":
        return Converter("text", ("date",), day_reader(step.format))
    if step.name == "timestamp":
        gives = ("timestamp", "date") if step.date_at_midnight_in else ("timestamp",)
        return Converter("text", gives, moment_reader(step.format, step.zone, step.date_at_midnight_in))
    if step.name == "list":
        return Converter("text", ("array",), list_splitter(step.separator or ";"))
    return _PLAIN[step.name]


def of_type(field: Field) -> Converter:
    """The conversion that the contract's own type asks for; arrays split at `;`."""
    if field.type == "timestamp":
        read = moment_or_day_reader() if field.allows_date_only else moment_reader(None, None, None)
        return Converter("text", ("timestamp",), read)
    if field.type == "date":
        return Converter("text", ("date",), day_reader(None))
    if field.type == "array":
        return Converter("text", ("array",), list_splitter(";"))
    return _PLAIN["text" if field.type == "string" else field.type]


def list_splitter(separator: str) -> Run:
    """Text to its trimmed parts; a list (from JSON or Parquet) stays."""

    def split(value: str | list[str]) -> list[str]:
        if isinstance(value, list):
            return value
        return [part.strip() for part in value.split(separator)]

    return split


def whole_number(text: str) -> int:
    """An integer that a spreadsheet wrote as a number: `42.0`, `4.2E1`."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    exact = Decimal(text)
    if exact.adjusted() > _LONGEST_WHOLE_NUMBER or exact != exact.to_integral_value():
        raise ValueError("not a whole number")
    return int(exact)


def integer(text: str) -> int:
    """Digits with an optional sign."""
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


_PLAIN = {
    "trim": Converter("text", ("text",), str.strip),
    "upper": Converter("text", ("text",), str.upper),
    "lower": Converter("text", ("text",), str.lower),
    "sha256": Converter("text", ("text",), lambda text: hashlib.sha256(text.encode()).hexdigest()),
    "integer": Converter("text", ("integer",), integer),
    "whole_number": Converter("text", ("integer",), whole_number),
    "number": Converter("text", ("number",), _number),
    "boolean": Converter("text", ("boolean",), _boolean),
    "text": Converter("any", ("text",), str),
}
