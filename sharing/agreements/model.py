"""What a consumer may have, as frozen values: nothing that isn't named here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

EDGES = ("certified", "live")


@dataclass(frozen=True)
class MartGrant:
    """Columns of one mart, and the rows for which `row_filter` (a SQL condition over the mart's columns) is true."""

    purposes: tuple[str, ...]
    columns: tuple[str, ...]
    row_filter: str | None = None


@dataclass(frozen=True)
class StreamGrant:
    """Fields of one stream as it arrives: what is certified, or (`live`) what has landed and nobody has audited."""

    purposes: tuple[str, ...]
    columns: tuple[str, ...]
    edge: str = EDGES[0]
    row_filter: str | None = None


@dataclass(frozen=True)
class Agreement:
    """One consumer's agreement with the centre.

    `purposes` are codes with what they mean. `lookups` says for a purpose which attributes of a person may be looked
    up. Consumers that share a `pseudonym_scope` can join what they have; all others can't.
    """

    id: str
    consumer: str
    title: str
    legal_basis: str
    valid_from: date
    expires: date
    pseudonym_scope: str
    purposes: Mapping[str, str]
    marts: Mapping[str, MartGrant]
    streams: Mapping[str, StreamGrant]
    lookups: Mapping[str, tuple[str, ...]]

    def is_valid(self, day: date) -> bool:
        """From `valid_from` to `expires`, both included."""
        return self.valid_from <= day <= self.expires
