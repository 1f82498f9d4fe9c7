"""A message of the corpus, where it belongs, and what its fields hold once it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

STREAM = "pmo__policy_action"
"""The corpus is written for this contract: it has unbounded integers, numbers, texts, dates, no identifiers."""

KEY = b"ACT-1"

_GOOD = {
    "event_id": '"a1"',
    "source": '"pmo/actions"',
    "event_time": '"2026-03-01T10:00:00Z"',
    "schema": '"pmo__policy_action@1.0.0"',
    "action_id": '"ACT-1"',
    "title": '"Open evening clinics"',
    "owner_agency": '"jdwnrh"',
    "target_metric": '"hospital.wait_minutes"',
    "effective_from": '"2026-04-01"',
    "revision": "1",
}
_CONTENT_RULES = (".range", ".length", ".pattern", ".allowed")


@dataclass(frozen=True)
class Case:
    """One message. `rules` are all that it breaks (none: it lands), `reads` fields that must have been read so."""

    name: str
    value: bytes
    rules: tuple[str, ...] = ()
    reads: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_readable(self) -> bool:
        """Whether a decoder that knows the field types, but no other rule, has to accept it."""
        return all(rule.endswith(_CONTENT_RULES) for rule in self.rules)


def message(extra: str = "", **changed: str) -> bytes:
    """A good record as JSON text, with the JSON text of some fields changed and `extra` before the last brace.

    An empty text leaves the field out. Lone surrogates come out as the three bytes that UTF-8 forbids.
    """
    members = [f'"{name}": {text}' for name, text in (_GOOD | changed).items() if text]
    return ("{" + ", ".join(members) + extra + "}").encode("utf-8", "surrogatepass")


def nested(depth: int) -> str:
    """Arrays in arrays."""
    return "[" * depth + "]" * depth
