"""Seeded damage to good records: what a broken producer, network or disk could make of them."""

import json
import random
from collections.abc import Callable, Iterator, Sequence

from datacentre.contracts import Contract
from datacentre.settings import REPOSITORY

Message = tuple[bytes | None, bytes | None]
_JUNK = ("\u0f40\u0f0b", "\ud83d", "\x00", "\u202e", "e\u0301", "\\u0000", '"', "\\", "\t")
_ODD_VALUES = (None, True, -1, 0, 1.5, 1e308, 10**30, -(2**63), 2**63, "", "0", "NaN", [], {}, [[]], "x" * 5_000)


def samples(contract: Contract) -> list[bytes]:
    return (REPOSITORY / "schemas" / "samples" / f"{contract.key}.jsonl").read_bytes().splitlines()


def mutated(contract: Contract, count: int, seed: int) -> Iterator[Message]:
    """`count` messages: most of them damaged in one to three ways, some good."""
    chance, lines = random.Random(f"{seed} {contract.key}"), samples(contract)
    for _ in range(count):
        line = chance.choice(lines)
        key: bytes | None = str(json.loads(line)[contract.kafka_key]).encode()
        value: bytes | None = line
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
            value = chance.choice(_DAMAGES)(chance, value or b"", lines)
        if chance.random() < 0.02:
            value = None
        if chance.random() < 0.02:
            key = chance.choice((None, b"", b"\xff", b"a\x00b"))
        yield key, value


def _flip(chance: random.Random, value: bytes, lines: Sequence[bytes]) -> bytes:
    if not value:
        return value
    at = chance.randrange(len(value))
    return value[:at] + bytes([value[at] ^ (1 << chance.randrange(8))]) + value[at + 1 :]


def _cut(chance: random.Random, value: bytes, lines: Sequence[bytes]) -> bytes:
    return value[: chance.randrange(len(value) + 1)]


def _splice(chance: random.Random, value: bytes, lines: Sequence[bytes]) -> bytes:
    other = chance.choice(lines)
    return value[: chance.randrange(len(value) + 1)] + other[chance.randrange(len(other)) :]


def _twice(chance: random.Random, value: bytes, lines: Sequence[bytes]) -> bytes:
    return value + chance.choice((b"", b"\n", b" ", b",")) + chance.choice(lines)


def _surround(chance: random.Random, value: bytes, lines: Sequence[bytes]) -> bytes:
    left, right = chance.choice(
        ((b" \r\n\t", b"\n"), (b"\xef\xbb\xbf", b""), (b"[", b"]"), (b'{"a":' * 200, b"}" * 200))
    )
    return left + value + right


def _repeat_key(chance: random.Random, value: bytes, lines: Sequence[bytes]) -> bytes:
    return value.rstrip(b"}") + b"," + chance.choice(lines)[1:]


def _edit(chance: random.Random, value: bytes, lines: Sequence[bytes]) -> bytes:
    """Another value, type, order, name or spacing of a field; left alone where it is no object any more."""
    try:
        record = json.loads(value)
    except ValueError:
        return value
    if not isinstance(record, dict) or not record:
        return value
    name = chance.choice(list(record))
    match chance.randrange(6):
        case 0:
            record[name] = chance.choice(_ODD_VALUES)
        case 1:
            del record[name]
        case 2:
            record[name] = f"{record[name]}{chance.choice(_JUNK)}"
        case 3:
            record = dict(chance.sample(list(record.items()), len(record)))
        case 4:
            record[chance.choice((name.upper(), f"{name} ", "extra"))] = record[name]
        case _:
            record[name] = str(record[name])
    text = json.dumps(record, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, None, 1)))
    return text.encode("utf-8", "surrogatepass")


_DAMAGES: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip,
    _flip,
    _cut,
    _splice,
    _twice,
    _surround,
    _repeat_key,
    _edit,
    _edit,
    _edit,
    _edit,
)
