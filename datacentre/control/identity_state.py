"""What the events of identity add up to: who was merged into whom, and which reviews are open.

The state is a fold. A merge that was taken back counts as if it had never been: what others have decided meanwhile
stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from datacentre.control.identity import MERGING, PLACING, Event, Kind, decided_reviews, events

ALIAS_KINDS = (*MERGING, Kind.UNMERGED)
"""All that the aliases depend on."""
STATE_KINDS = (*ALIAS_KINDS, Kind.REVIEW_OPENED, Kind.REVIEW_DIFFERENT)
"""All that the state depends on: the placing events say of a record what it says itself."""
APART_KINDS = (*ALIAS_KINDS, Kind.SPLIT, Kind.REVIEW_DIFFERENT)
"""What `kept_apart` depends on, besides the reviews that decisions are about."""


@dataclass(frozen=True)
class IdentityState:
    """`aliases` lead from each merged pseudonym to the one that is left; `open_reviews` are by number, `merges` the
    events that hold."""

    aliases: Mapping[str, str]
    open_reviews: Mapping[int, Event]
    merges: Mapping[int, Event]

    def person(self, known_key: str) -> str:
        """The pseudonym that is left of this one."""
        return self.aliases.get(known_key, known_key)


def fold(told: Iterable[Event]) -> IdentityState:
    """The state after these events, which come in order."""
    merges: dict[int, Event] = {}
    reviews: dict[int, Event] = {}
    decided: dict[int, Event] = {}
    for event in told:
        if event.kind in MERGING:
            merges[event.number] = event
        if event.kind is Kind.UNMERGED and event.about is not None:
            merges.pop(event.about, None)
            decided.pop(event.about, None)
        if event.kind is Kind.REVIEW_OPENED:
            reviews[event.number] = event
        if event.kind in (Kind.REVIEW_SAME, Kind.REVIEW_DIFFERENT):
            decided[event.number] = event
    done = {event.about for event in decided.values()}
    waiting = {number: event for number, event in reviews.items() if number not in done}
    return IdentityState(_aliases(merges.values()), waiting, merges)


def _aliases(merges: Iterable[Event]) -> dict[str, str]:
    """Each merge puts all that its `other_key` stands for to what its `person_key` stands for."""
    into: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for merge in merges:
        assert merge.person_key is not None and merge.other_key is not None
        kept = into.get(merge.person_key, merge.person_key)
        left = into.get(merge.other_key, merge.other_key)
        if kept == left:
            continue
        moved = [left, *members.pop(left, [])]
        members.setdefault(kept, []).extend(moved)
        into.update(dict.fromkeys(moved, kept))
    return into


def kept_apart(engine: sa.Engine) -> frozenset[frozenset[str]]:
    """Pairs of pseudonyms that somebody has said are two persons, last; no program makes them one again.

    Costs what was decided, not what was linked.
    """
    told = events(engine, APART_KINDS)
    reviews = decided_reviews(engine, Kind.REVIEW_DIFFERENT)
    by_number = {event.number: event for event in (*told, *reviews)}
    apart: set[frozenset[str]] = set()
    for event in told:
        meant = by_number.get(event.about or 0, event) if event.kind is Kind.UNMERGED else event
        if meant.person_key is None or meant.other_key is None:
            continue
        pair = frozenset((meant.person_key, meant.other_key))
        if event.kind in MERGING:
            apart.discard(pair)
        if event.kind in (Kind.UNMERGED, Kind.SPLIT):
            apart.add(pair)
        if event.kind is Kind.REVIEW_DIFFERENT:
            review = by_number.get(event.about or 0, event)
            apart |= {frozenset((key, meant.other_key)) for key, _ in review.candidates} | {pair}
    return frozenset(apart)


def places_of(engine: sa.Engine, person_key: str) -> frozenset[tuple[str, int, int]]:
    """Stream, partition and offset of the records that were found to speak of this person without her number."""
    state = fold(events(engine, ALIAS_KINDS))
    last: dict[tuple[str, int, int], str] = {}
    for event in events(engine, PLACING):
        assert event.stream and event.kafka_partition is not None and event.kafka_offset is not None
        last[event.stream, event.kafka_partition, event.kafka_offset] = event.person_key or ""
    hers = state.person(person_key)
    return frozenset(place for place, key in last.items() if state.person(key) == hers)
