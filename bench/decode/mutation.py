"""Records damaged in seeded ways, as failing senders, disks and proxies damage them."""

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random

from bench.decode.placing import Message

_JUNK = ("\u0000", "\ufeff", "\u202e", "\U0001f468\u200d\U0001f469", "e\u0301" * 50, "\uffff", "\u2028", "'", "\x7f")
_NUMBERS = ("9" * 400, "1e999", "-1e999", "9223372036854775808", "0.1e-400", "NaN", "-Infinity", "1.0", "007")
_OTHER_TYPES: tuple[object, ...] = (None, True, 0, -1, 1.5, 2**63, "", "x", [], [None], {}, {"a": {}}, "2026-02-30")


def mutated(values: Sequence[Message], count: int, seed: int) -> Iterator[Message]:
    """`count` messages, each one of `values` after one to three mutations; the same seed gives the same bytes."""
    random = Random(seed)
    for _ in range(count):
        key, value = random.choice(values)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            value = random.choice(_WAYS)(value or b"", random, values)
        yield (random.choice((key, key, key, key, None, b"", b"\xff\x00")), value)


def _flip(value: bytes, random: Random, _: Sequence[Message]) -> bytes:
    if not value:
        return bytes([random.randrange(256)])
    place = random.randrange(len(value))
    return value[:place] + bytes([value[place] ^ 1 << random.randrange(8)]) + value[place + 1 :]


def _cut(value: bytes, random: Random, _: Sequence[Message]) -> bytes:
    return value[: random.randrange(len(value) + 1)]


def _splice(value: bytes, random: Random, values: Sequence[Message]) -> bytes:
    other = random.choice(values)[1] or b""
    return value[: random.randrange(len(value) + 1)] + other[random.randrange(len(other) + 1) :]


def _retype(value: bytes, random: Random, _: Sequence[Message]) -> bytes:
    return _with_one_changed(value, random, lambda _: json.dumps(random.choice(_OTHER_TYPES)))


def _enlarge(value: bytes, random: Random, _: Sequence[Message]) -> bytes:
    return _with_one_changed(value, random, lambda _: random.choice(_NUMBERS))


def _litter(value: bytes, random: Random, _: Sequence[Message]) -> bytes:
    junk = random.choice(_JUNK)
    return _with_one_changed(value, random, lambda old: json.dumps(f"{old}{junk}", ensure_ascii=random.random() < 0.5))


def _nest(value: bytes, random: Random, _: Sequence[Message]) -> bytes:
    depth = random.choice((1, 10, 2_000))
    return _with_one_changed(value, random, lambda old: "[" * depth + json.dumps(old) + "]" * depth)


def _repeat_name(value: bytes, random: Random, _: Sequence[Message]) -> bytes:
    members = value[1:-1].split(b",")
    return b"{" + b",".join([*members, random.choice(members)]) + b"}"


def _empty(value: bytes, random: Random, _: Sequence[Message]) -> bytes | None:
    return random.choice((b"", b"{}", b"null", b" ", None, value + value, b"[" + value + b"]"))


def _with_one_changed(value: bytes, random: Random, written: Callable[[object], str]) -> bytes:
    """The record with another JSON text for one field; what is no object any more gets a byte flipped."""
    try:
        record = json.loads(value)
        name = random.choice(list(record))
    except (ValueError, TypeError, IndexError, KeyError, RecursionError):
        return _flip(value, random, ())
    members = [
        f"{json.dumps(n)}:{written(v) if n == name else json.dumps(v)}"
        for n, v in (record.items() if isinstance(record, dict) else ())
    ]
    return ("{" + ",".join(members) + "}").encode("utf-8", "surrogatepass")


_WAYS: tuple[Callable[[bytes, Random, Sequence[Message]], bytes | None], ...] = (
    _flip,
    _cut,
    _splice,
    _retype,
    _enlarge,
    _litter,
    _nest,
    _repeat_name,
    _empty,
)
