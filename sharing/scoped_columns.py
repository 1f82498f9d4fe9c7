"""How each column of a mart or a stream may leave the centre: as it is, as a token, by the hour, or never.

What isn't named in one of the first three never leaves. Offsets, certificates and instants to the microsecond join as
well as any identifier, so they don't leave as they are (docs/decisions/025-what-may-leave.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
"""What a column of a stream identifies; other columns that end like one get a kind of their own."""

KNOWN_TO_ALL = frozenset({"flight_id", "flight_number", "action_id", "conversation_id", "statement_id"})
"""Ids of what is public itself: they tell nothing of anybody."""

_LIKE_AN_IDENTIFIER = ("_id", "_key", "_keys", "_number")


@dataclass(frozen=True)
class Leaving:
    """`as_tokens` says by column what it identifies."""

    as_is: frozenset[str]
    as_tokens: Mapping[str, str]
    by_the_hour: frozenset[str]

    @property
    def columns(self) -> frozenset[str]:
        """All that may leave in some way."""
        return self.as_is | self.by_the_hour | frozenset(self.as_tokens)


def stream_leaving(contract: Contract) -> Leaving:
    """How the landed columns of a stream may leave; those that only the centre needs aren't among them."""
    fields = own_open_fields(contract)
    pseudonyms = [f.pseudonym_column for f in contract.pseudonymised if f.pseudonym_column]
    tokens = {f.name: _kind(f.name) for f in fields if _identifies(f)}
    tokens |= dict.fromkeys(pseudonyms, "person") | {name: KINDS[name] for name in ("event_id", "corrects_event_id")}
    instants = {f.name for f in fields if f.type == "timestamp"} | {"event_time"}
    as_is = {f.name for f in fields} | {"event_date"}
    landed = set(landed_schema(contract).names)
    return Leaving(frozenset((as_is - instants - set(tokens)) & landed), tokens, frozenset(instants & landed))


def stream_kinds(contract: Contract) -> Mapping[str, str]:
    """The columns of a stream that leave as tokens only, and what each identifies."""
    return stream_leaving(contract).as_tokens


def _identifies(field: Field) -> bool:
    is_public = field.name in KNOWN_TO_ALL
    return field.name in KINDS or (field.name.endswith(_LIKE_AN_IDENTIFIER) and not is_public)


def _kind(name: str) -> str:
    return KINDS.get(name) or name.rpartition("_")[0]
