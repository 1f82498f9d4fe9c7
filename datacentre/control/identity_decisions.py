"""What people decide about who is who, as events of identity; each is checked against the state at that moment."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from datacentre.control.identity import PLACING, Event, Kind, append_in, events_in
from datacentre.control.identity_state import IdentityState, fold
from datacentre.control.store import writing
from datacentre.errors import CheckFailed, ContractError

_HEX = frozenset("0123456789abcdef")


def decide_same(engine: sa.Engine, number: int, who: str, reason: str, person_key: str | None = None) -> int:
    """The record of a review is its candidate's, of several that one's; returns the event's number.

    Raises CheckFailed when no such review is open, or `person_key` is none of the candidates.
    """
    with writing(engine) as connection:
        review = _open_review(fold(events_in(connection)), number)
        offered = [key for key, _ in review.candidates]
        if person_key is None and len(offered) > 1:
            raise CheckFailed(f"review {number} has several candidates; name one by --person: {', '.join(offered)}")
        if person_key is not None and person_key not in offered:
            raise CheckFailed(f"{person_key} is no candidate of review {number}; there are {', '.join(offered)}")
        same = replace(review, kind=Kind.REVIEW_SAME, who=who, reason=reason, about=number, candidates=())
        return append_in(connection, [replace(same, person_key=person_key or offered[0])])


def decide_different(engine: sa.Engine, number: int, who: str, reason: str) -> int:
    """The record of a review is none of its candidates'. A number of its own that is nobody's stands then.

    Returns the event's number; raises CheckFailed when no such review is open.
    """
    with writing(engine) as connection:
        review = _open_review(fold(events_in(connection)), number)
        different = replace(review, kind=Kind.REVIEW_DIFFERENT, who=who, reason=reason, about=number, candidates=())
        return append_in(connection, [*_back_to_number(events_in(connection, PLACING), review, who), different])


def merge(engine: sa.Engine, other_key: str, person_key: str, who: str, reason: str) -> int:
    """`other_key` is `person_key`; returns the event's number. Raises CheckFailed where they are one already."""
    for key in (other_key, person_key):
        if len(key) != 64 or not set(key) <= _HEX:
            raise ContractError(f"{key!r} is no pseudonym of a person: 64 hexadecimal digits, see: datacentre registry")
    with writing(engine) as connection:
        state = fold(events_in(connection))
        if state.person(other_key) == state.person(person_key):
            raise CheckFailed(f"{other_key} and {person_key} are one person already")
        return append_in(connection, [Event(Kind.MERGED, who, reason, person_key, other_key)])


def unmerge(engine: sa.Engine, number: int, who: str, reason: str) -> int:
    """Take a merge back, or the decision of a review that made two one; returns the event's number.

    Raises CheckFailed when there is no such event, or it was taken back before.
    """
    with writing(engine) as connection:
        if number not in fold(events_in(connection)).merges:
            raise CheckFailed(f"event {number} is no merge that holds; see: datacentre registry events")
        return append_in(connection, [Event(Kind.UNMERGED, who, reason, about=number)])


def _open_review(state: IdentityState, number: int) -> Event:
    if number not in state.open_reviews:
        raise CheckFailed(f"review {number} is not open; see: datacentre registry review list")
    return state.open_reviews[number]


def _back_to_number(placing: Sequence[Event], review: Event, who: str) -> Iterator[Event]:
    offered = {key for key, _ in review.candidates}
    for event in placing:
        if event.person_key == review.other_key and event.other_key is not None and event.other_key not in offered:
            reason = f"its own number stands, by review {review.number}"
            yield replace(event, kind=Kind.LINKED, who=who, reason=reason, person_key=event.other_key)
