"""Events of identity: kept in order, folded into who is whom; what is taken back is as if it had never been."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from datacentre.control.copy import copy_store
from datacentre.control.identity import MERGING, Event, Kind, append, events, newest_event
from datacentre.control.identity_state import STATE_KINDS, IdentityState, fold
from datacentre.control.store import opened

PERSONS = "abcdef"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


def merged(other: str, person: str) -> Event:
    return Event(Kind.MERGED, "tshering", "same card", person, other)


def unmerged(number: int) -> Event:
    return Event(Kind.UNMERGED, "tshering", "two cards after all", about=number)


def numbered(told: Sequence[Event]) -> list[Event]:
    return [replace(event, number=number) for number, event in enumerate(told, 1)]


def test_events_are_kept_in_order_and_copied_with_the_store(control: sa.Engine, tmp_path: Path) -> None:
    link = Event(Kind.LINKED, "linkage", "alike", "a", None, "jdwnrh__hospital_visit", 0, 7, 0.999, "m1")
    review = Event(Kind.REVIEW_OPENED, "linkage", "two alike", "b", "f", candidates=(("b", 0.7), ("c", 0.6)))
    assert newest_event(control) == 0
    assert append(control, [link, review]) == 2
    assert append(control, []) == 2
    assert append(control, [merged("a", "b")]) == 3
    assert events(control) == [link, review, merged("a", "b")]
    assert [e.number for e in events(control, MERGING)] == [3]
    assert events(control, after=1) == [review, merged("a", "b")]
    with opened(f"sqlite:///{tmp_path / 'copy.sqlite'}") as other:
        copy_store(control, other)
        assert events(other) == events(control)


def test_merged_persons_lead_to_the_one_that_is_left() -> None:
    state = fold(numbered([merged("a", "b"), merged("c", "a"), merged("b", "d")]))
    assert state.aliases == {"a": "d", "b": "d", "c": "d"}
    assert state.person("a") == state.person("d") == "d"
    assert state.person("e") == "e"


def test_a_merge_that_is_taken_back_leaves_what_others_decided() -> None:
    told = numbered([merged("a", "b"), merged("a", "c"), unmerged(1)])
    assert fold(told[:2]).aliases == {"a": "c", "b": "c"}
    assert fold(told).aliases == {"a": "c"}
    assert set(fold(told).merges) == {2}


def test_a_review_is_open_until_it_is_decided_and_again_when_the_decision_is_taken_back() -> None:
    opened_ = Event(Kind.REVIEW_OPENED, "linkage", "alike", "a", "f", candidates=(("a", 0.8),))
    same = Event(Kind.REVIEW_SAME, "pema", "same house", "a", "f", about=1)
    told = numbered([opened_, same, unmerged(2)])
    assert set(fold(told[:1]).open_reviews) == {1}
    assert fold(told[:2]).open_reviews == {}
    assert fold(told[:2]).aliases == {"f": "a"}
    assert set(fold(told).open_reviews) == {1}
    assert fold(told).aliases == {}
    different = Event(Kind.REVIEW_DIFFERENT, "pema", "a cousin", "a", "f", about=1)
    assert fold(numbered([opened_, different])) == IdentityState({}, {}, {})


MERGE = st.tuples(st.sampled_from(PERSONS), st.sampled_from(PERSONS)).filter(lambda pair: pair[0] != pair[1])


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Merges, some of them taken back."""
    told: list[Event] = []
    for pair in draw(st.lists(MERGE, max_size=8)):
        told.append(merged(*pair))
        if draw(st.booleans()):
            told.append(unmerged(draw(st.integers(1, len(told)))))
    return told


@given(histories(), MERGE)
def test_merge_then_unmerge_is_the_identity(told: list[Event], pair: tuple[str, str]) -> None:
    before = fold(numbered(told))
    assert fold(numbered([*told, merged(*pair), unmerged(len(told) + 1)])) == before


@given(histories(), st.integers(0, 20))
def test_taking_back_any_merge_is_as_if_it_had_never_been(told: list[Event], place: int) -> None:
    events_ = numbered(told)
    merges = [event.number for event in events_ if event.kind in MERGING]
    if not merges:
        return
    number = merges[place % len(merges)]
    without = [event for event in events_ if number not in (event.number, event.about)]
    taken_back = replace(unmerged(number), number=len(events_) + 1)
    assert fold([*events_, taken_back]) == fold(without)


@given(histories())
def test_persons_are_one_where_merges_that_hold_join_them(told: list[Event]) -> None:
    state = fold(numbered(told))
    group = {person: {person} for person in PERSONS}
    for merge in state.merges.values():
        joined = group[str(merge.person_key)] | group[str(merge.other_key)]
        group |= dict.fromkeys(joined, joined)
    for left in PERSONS:
        assert {right for right in PERSONS if state.person(right) == state.person(left)} == group[left]


def test_the_state_needs_only_its_own_kinds() -> None:
    told = [Event(kind, "linkage", "why", "a", "b", about=1) for kind in Kind]
    assert fold(e for e in numbered(told) if e.kind in STATE_KINDS) == fold(numbered(told))
