"""Records broken on purpose, each so that no honest check can pass it."""

from collections.abc import Callable
from random import Random

import msgspec

from connectors.sources.simulation.record import Fields
from datacentre.contracts.model import BOOKKEEPING, Contract, Field

_WRONG: dict[str, object] = {
    "string": 12345,
    "integer": "many",
    "number": "a lot",
    "boolean": "yes",
    "array": "none",
    "date": 20250101,
    "timestamp": 20250101,
}
_IMPOSSIBLE_TIMES = (
    "2025-02-30T10:15:00+06:00",
    "2025-13-01",
    "2025-06-31",
    "2025-05-12T27:61:00Z",
    "2199-01-01",
)


class Spoiler:
    """Spoils records of one stream."""

    def __init__(self, contract: Contract, random: Random):
        own = [f for f in contract.fields if f.name not in BOOKKEEPING and f.name != contract.kafka_key]
        self._typed = {f.name: f for f in own}
        self._coded = [f.name for f in own if f.allowed and f.type != "array"]
        self._dated = [f.name for f in own if f.type in ("date", "timestamp")]
        self._required = [f.name for f in contract.fields if f.required]
        self._contract, self._random = contract, random
        self._encode = msgspec.json.Encoder().encode
        self._ways: dict[str, Callable[[Fields], bytes]] = {
            "malformed_json": self._malform,
            "not_utf8": self._break_text,
            "wrong_type": self._mistype,
            "unknown_code": self._invent_code,
            "impossible_date": self._misdate,
            "missing_required": self._leave_out,
            "unknown_contract": self._rename_contract,
        }

    def spoil(self, kind: str, record: Fields) -> bytes:
        """The record's bytes with this kind of defect (one of INVALID_KINDS)."""
        return self._ways[kind](record)

    def _pick(self, names: list[str]) -> str:
        return names[int(self._random.random() * len(names))]

    def _malform(self, record: Fields) -> bytes:
        value = self._encode(record)
        cut = value[: 1 + int(self._random.random() * (len(value) - 1))]
        ways = (
            cut,
            value[:-1] + b",}",
            value + value,
            b"Error 500: upstream timed out",
            b"",
            b"[" + value + b"]",
        )
        return ways[int(self._random.random() * len(ways))]

    def _break_text(self, record: Fields) -> bytes:
        """A Latin-1 letter inside the first text."""
        return self._encode(record).replace(b'":"', b'":"\xe9', 1)

    def _mistype(self, record: Fields) -> bytes:
        name = self._pick([name for name in self._typed if record.get(name) is not None])
        field: Field = self._typed[name]
        return self._encode({**record, name: _WRONG[field.type]})

    def _invent_code(self, record: Fields) -> bytes:
        name = self._pick([name for name in self._coded if record.get(name) is not None])
        return self._encode({**record, name: f"unlisted-{int(self._random.random() * 100)}"})

    def _misdate(self, record: Fields) -> bytes:
        dated = [name for name in self._dated if record.get(name) is not None]
        if dated and self._random.random() < 0.4:
            return self._encode({**record, self._pick(dated): "1987-02-31"})
        return self._encode({**record, "event_time": self._pick(list(_IMPOSSIBLE_TIMES))})

    def _leave_out(self, record: Fields) -> bytes:
        name = self._pick(self._required)
        if self._random.random() < 0.5:
            return self._encode({**record, name: None})
        return self._encode({key: value for key, value in record.items() if key != name})

    def _rename_contract(self, record: Fields) -> bytes:
        unknown = (f"{self._contract.key}@9.9.9", "nobody__nothing@1.0.0", self._contract.key)
        return self._encode({**record, "schema": self._pick(list(unknown))})
