"""A quarantined record for an engineer's eyes: laid out field by field, with what is wrong marked where it stands.

Shows raw values on purpose; nothing here may go to a log.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from re import findall
from typing import Any

from datacentre.contracts import Contract

_CONTEXT = 60
Pairs = list[tuple[str, Any]]


@dataclass(frozen=True)
class Line:
    """One line of the layout; `broken` names the rules that what stands on it breaks."""

    text: str
    broken: tuple[str, ...] = ()


def lay_out(contract: Contract, value: bytes | None, broken_rules: Sequence[str]) -> tuple[Line, ...]:
    """The record's fields one to a line; where it is no JSON object, its bytes and where reading them fails."""
    if value is None:
        return (Line("(null: no bytes)", tuple(broken_rules)),)
    return (*_decoding(value), *_layout(contract, value, broken_rules))


def _decoding(value: bytes) -> Iterator[Line]:
    try:
        value.decode()
    except UnicodeDecodeError as problem:
        shown = value[problem.start : problem.start + 1].hex()
        yield Line(f"not UTF-8 at byte {problem.start}: 0x{shown} ({problem.reason})", ("record.not_utf8",))


def _layout(contract: Contract, value: bytes, broken_rules: Sequence[str]) -> Iterator[Line]:
    text = value.decode(errors="replace")
    try:
        parsed = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as problem:
        yield from _unparsed(text, problem)
        return
    if not isinstance(parsed, _Object):
        yield Line(text, ("record.not_object",))
        return
    pairs = parsed.pairs
    marks = _marks(contract, pairs, broken_rules)
    yield Line("{")
    for name, item in pairs:
        yield Line(f"  {json.dumps(name, ensure_ascii=False)}: {_written(item)}", tuple(marks.get(name, ())))
    for name in marks:
        if name not in dict(pairs):
            yield Line(f"  {json.dumps(name, ensure_ascii=False)}: (absent)", tuple(marks[name]))
    yield Line("}")


class _Object:
    """A JSON object with its members as they were written, also those that stand twice."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs


def _written(item: Any) -> str:
    return json.dumps(item, ensure_ascii=False, default=lambda inner: dict(inner.pairs))


def _unparsed(text: str, problem: Exception) -> Iterator[Line]:
    position = getattr(problem, "pos", 0)
    start = max(0, position - _CONTEXT)
    before, after = (json.dumps(part, ensure_ascii=False)[1:-1] for part in (text[start:position], text[position:]))
    yield Line(f"not JSON at character {position}: {getattr(problem, 'msg', problem)}", ("record.not_json",))
    yield Line(f"{before}{after[: 2 * _CONTEXT]}")
    yield Line(" " * len(before) + "^")


def _marks(contract: Contract, pairs: Pairs, broken_rules: Sequence[str]) -> dict[str, list[str]]:
    """The rules that each field breaks."""
    marks: dict[str, list[str]] = {}
    for rule in broken_rules:
        for name in _fields_of(contract, pairs, rule):
            marks.setdefault(name, []).append(rule)
    return marks


def _fields_of(contract: Contract, pairs: Pairs, rule: str) -> Iterable[str]:
    known = {f.name for f in contract.fields}
    match rule:
        case "record.unknown_contract":
            return ["schema"]
        case "record.unknown_field":
            return [name for name, _ in pairs if name not in known]
        case "record.duplicate_key":
            return [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
        case "record.key_mismatch":
            return [contract.kafka_key]
        case "record.null_character":
            return [name for name, item in pairs if "\\u0000" in json.dumps(name) + _written(item)]
    for of_contract in contract.record_rules:
        if of_contract.name == rule:
            return sorted(known & set(findall(r"\w+", of_contract.expression)))
    field = rule.partition(".")[0]
    return [field] if field in known else []
