"""Records that are good, or broken so narrowly that two checks might disagree: hypothesis strategies."""

import json
from datetime import date, timedelta
from typing import Any

import hypothesis.strategies as st

from datacentre.contracts import Contract, Field
from datacentre.settings import REPOSITORY

Record = dict[str, Any]
_ABSENT = object()
_LARGEST = 2**63 - 1


def records(contract: Contract) -> st.SearchStrategy[Record]:
    """Records of the contract's sample with one to three fields changed or dropped, now and then one added."""
    lines = (REPOSITORY / "schemas" / "samples" / f"{contract.key}.jsonl").read_text(encoding="utf-8").splitlines()
    changes = st.lists(st.sampled_from(contract.fields).flatmap(_change), min_size=1, max_size=3).map(dict)
    added = st.sampled_from([{}] * 18 + [{"remark": None}, {"Step": "x"}])
    return st.builds(_changed, st.sampled_from(lines), changes, added)


def _changed(line: str, changes: Record, added: Record) -> Record:
    record = {**json.loads(line), **changes, **added}
    return {name: value for name, value in record.items() if value is not _ABSENT}


def _change(field: Field) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(field.name), value(field))


def value(field: Field) -> st.SearchStrategy[Any]:
    """Good values, values at and beyond each bound, and values of other types; absent and null too."""
    if field.name == "schema":
        return st.sampled_from(["", "nobody__nothing@1.0.0", None, 1, _ABSENT])
    return st.one_of(_near(field), _near(field), _near(field), _foreign())


def _near(field: Field) -> st.SearchStrategy[Any]:
    match field.type:
        case "array":
            return _array(field)
        case "integer":
            return _integer(field)
        case "number":
            return _number(field)
        case "boolean":
            return st.sampled_from([True, False, 0, 1, "true", "True"])
        case "date":
            return _date(field)
        case "timestamp":
            return st.one_of(_timestamp(), _date(field))
        case _:
            return _text(field)


def _foreign() -> st.SearchStrategy[Any]:
    """Something of whatever type, mostly the wrong one."""
    whole = st.sampled_from([0, 1, -1, 1.5, 10**400, _LARGEST + 1])
    other = st.sampled_from([True, False, "", "null", "1", [], ["x"], [1], [None], [["x"]], {}, {"a": 1}])
    return st.one_of(st.just(_ABSENT), st.none(), whole, other)


def _array(field: Field) -> st.SearchStrategy[Any]:
    item = _text(field) if field.item_type == "string" else _integer(field)
    most = field.max_length or 3
    long = item.map(lambda one: [one] * (most + 1))
    return st.one_of(st.lists(item, max_size=4), st.lists(item | _foreign(), max_size=3).map(_present), long)


def _present(items: list[Any]) -> list[Any]:
    return [item for item in items if item is not _ABSENT]


def _text(field: Field) -> st.SearchStrategy[Any]:
    if field.allowed is not None:
        return st.sampled_from(field.allowed).flatmap(_spelled)
    if field.pattern is not None:
        fits = st.from_regex(field.pattern, fullmatch=True).map(lambda text: text.rstrip("\n"))
        return st.one_of(fits, fits.flatmap(_spelled))
    return _sized(field.min_length or 0, field.max_length or 50)


def _spelled(text: str | int) -> st.SearchStrategy[Any]:
    """The text, and the same written a little otherwise."""
    if not isinstance(text, str):
        return st.sampled_from([text, str(text), float(text)])
    other = (text + "\n", " " + text, text + " ", text.lower(), text.upper(), text[:-1], text + text, text + "é", "")
    digits = text.translate({ord("0") + n: chr(0xFF10 + n) for n in range(10)})
    return st.sampled_from([text, text, text, *other, digits, text + "\x00"])


def _sized(least: int, most: int) -> st.SearchStrategy[str]:
    """Texts as long as is allowed, and one letter more or less, in letters that are more than one byte."""
    letter = st.sampled_from(["x", "é", "ཀ", "😀", "e\u0301", " ", "\n", "'", '"', "\\", "\x00", "\x7f", "\ufeff"])
    sizes = st.sampled_from([max(0, least - 1), least, most, most + 1, 3])
    return st.builds(lambda one, size: (one * size)[:size], letter, sizes)


def _integer(field: Field) -> st.SearchStrategy[Any]:
    bounds = [int(b) for b in (field.minimum, field.maximum) if b is not None]
    edges = [0, _LARGEST, _LARGEST + 1, -_LARGEST - 1, -_LARGEST - 2, *(b + d for b in bounds for d in (-1, 0, 1))]
    written_otherwise = [1.0, 2.0, 1.5, "1", -0.0]
    return st.sampled_from([*edges, *written_otherwise])


def _number(field: Field) -> st.SearchStrategy[Any]:
    bounds = [float(b) for b in (field.minimum, field.maximum) if b is not None]
    edges = [b + d for b in bounds for d in (-1e-9, 0, 1e-9)]
    usual = st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(usual, st.sampled_from([0, -0.0, 5e-324, 10**308, 10**309, -(10**309), "1.5", *edges]))


def _date(field: Field) -> st.SearchStrategy[Any]:
    bounds = [date.fromisoformat(str(b)) for b in (field.minimum, field.maximum) if b is not None]
    edges = [b + timedelta(days=d) for b in bounds for d in (-1, 0, 1)]
    days = st.dates(date(1, 1, 1), date(9999, 12, 31)) | st.dates(date(1000, 1, 1), date(2999, 12, 31))
    good = (days | st.sampled_from(edges) if edges else days).map(date.isoformat)
    bad = ("2026-02-30", "2025-02-29", "0000-01-01", "20260401", "2026-4-1", "2026-13-01", "2026-W14-3", "26-04-01")
    return st.one_of(good, good.flatmap(_spelled), st.sampled_from(bad))


def _timestamp() -> st.SearchStrategy[Any]:
    day = st.dates(date(1000, 1, 2), date(2999, 12, 30)).map(date.isoformat) | st.just("2026-02-30")
    between = st.sampled_from(["T", "T", "t", " ", ""])
    clock = st.sampled_from(["00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:00:60", "12:00", "1:00:00"])
    fraction = st.sampled_from(["", "", ".5", ".123456", ".123456789", ".1234567890", ".", ",5"])
    zones = ["Z", "z", "+06:00", "-00:00", "+14:00", "+23:59", "-23:59", "+24:00", "+06:60", "+0600", "+06", "", " Z"]
    return st.builds("".join, st.tuples(day, between, clock, fraction, st.sampled_from(zones)))
