"""How each column of a mart or a stream may leave the centre; what isn't named here never does.

Offsets, certificates and instants to the microsecond join as well as any identifier, so none of them leaves as it is
(docs/decisions/025-what-may-leave.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from datacentre.contracts import Contract, Field
from datacentre.contracts.columns import landed_schema, own_open_fields

KINDS = {
    "application_id": "case",
    "visit_id": "visit",
    "response_id": "response",
    "feedback_id": "feedback",
    "participant_key": "participant",
    "event_id": "event",
    "corrects_event_id": "event",
}
"""What a column identifies; a stream's other columns that end like one get a kind of their own."""

KNOWN_TO_ALL = frozenset({"flight_id", "flight_number", "action_id", "conversation_id", "statement_id"})
"""Ids of what is public itself: they tell nothing of anybody."""

_LIKE_AN_IDENTIFIER = ("_id", "_key", "_keys", "_number")


@dataclass(frozen=True)
class Leaving:
    """Columns that leave as they are, as tokens (of the kind that stands beside), with the instant cut to its hour, or
    rounded to whole minutes. `never` are those that were looked at and stay."""

    as_is: Sequence[str] = ()
    as_tokens: Mapping[str, str] = field(default_factory=dict)
    by_the_hour: Sequence[str] = ()
    in_whole_minutes: Sequence[str] = ()
    never: Sequence[str] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All that may leave in some way."""
        return (*self.as_is, *self.as_tokens, *self.by_the_hour, *self.in_whole_minutes)


def stream_leaving(contract: Contract) -> Leaving:
    """How the landed columns of a stream may leave."""
    fields = own_open_fields(contract)
    pseudonyms = [f.pseudonym_column for f in contract.pseudonymised if f.pseudonym_column]
    tokens = {name: KINDS[name] for name in ("event_id", "corrects_event_id")}
    tokens |= {f.name: _kind(f.name) for f in fields if _identifies(f)} | dict.fromkeys(pseudonyms, "person")
    instants = ["event_time", *(f.name for f in fields if f.type == "timestamp")]
    as_is = ["event_date", *(f.name for f in fields if f.name not in (*tokens, *instants))]
    named = (*tokens, *instants, *as_is)
    return Leaving(as_is, tokens, instants, never=[n for n in landed_schema(contract).names if n not in named])


def stream_kinds(contract: Contract) -> Mapping[str, str]:
    """The columns of a stream that leave as tokens only, and what each identifies."""
    return stream_leaving(contract).as_tokens


def _identifies(field: Field) -> bool:
    return field.name in KINDS or (field.name.endswith(_LIKE_AN_IDENTIFIER) and field.name not in KNOWN_TO_ALL)


def _kind(name: str) -> str:
    return KINDS.get(name) or name.rpartition("_")[0]
