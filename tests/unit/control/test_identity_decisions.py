"""Decisions about who is who are held against the state first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from datacentre.control.identity import Event, Kind, append, events
from datacentre.control.identity_decisions import decide_different, decide_same, merge, unmerge
from datacentre.control.identity_state import fold, kept_apart
from datacentre.control.store import opened
from datacentre.errors import CheckFailed, ContractError

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
VISIT = "jdwnrh__hospital_visit"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


def review(*candidates: str, typed: str | None = None) -> list[Event]:
    offered = tuple((key, 0.7) for key in candidates)
    place = (VISIT, 0, 7)
    return [
        Event(Kind.FOUNDED, "linkage", "alike", "f", typed, *place),
        Event(Kind.REVIEW_OPENED, "linkage", "alike", candidates[0], "f", *place, candidates=offered),
    ]


def test_the_same_leads_to_the_candidate_and_can_be_taken_back(control: sa.Engine) -> None:
    number = append(control, review(A))
    done = decide_same(control, number, "pema", "asked her")
    assert fold(events(control)).aliases == {"f": A}
    with pytest.raises(CheckFailed, match=f"review {number} is not open"):
        decide_same(control, number, "pema", "again")
    unmerge(control, done, "pema", "mixed up")
    assert set(fold(events(control)).open_reviews) == {number}
    assert kept_apart(control) == {frozenset(("f", A))}


def test_of_several_candidates_one_must_be_named(control: sa.Engine) -> None:
    number = append(control, review(A, B))
    with pytest.raises(CheckFailed, match="name one by --person"):
        decide_same(control, number, "pema", "one of them")
    with pytest.raises(CheckFailed, match=f"{C} is no candidate"):
        decide_same(control, number, "pema", "her", C)
    decide_same(control, number, "pema", "her", B)
    assert fold(events(control)).aliases == {"f": B}


def test_none_of_them_stays_apart_and_keeps_a_number_that_is_nobody_elses(control: sa.Engine) -> None:
    number = append(control, review(A, B, typed=C))
    decide_different(control, number, "pema", "a cousin")
    assert fold(events(control)).open_reviews == {}
    assert [(e.person_key, e.kafka_offset) for e in events(control, [Kind.LINKED])] == [(C, 7)]
    assert kept_apart(control) == {frozenset(("f", A)), frozenset(("f", B))}


def test_the_number_of_somebody_else_is_not_given_back(control: sa.Engine) -> None:
    number = append(control, review(A, typed=A))
    decide_different(control, number, "pema", "she isn't")
    assert events(control, [Kind.LINKED]) == []


def test_a_merge_needs_two_persons_and_an_unmerge_a_merge_that_holds(control: sa.Engine) -> None:
    with pytest.raises(ContractError, match="'tshering' is no pseudonym"):
        merge(control, "tshering", A, "pema", "one")
    number = merge(control, A, B, "pema", "one")
    with pytest.raises(CheckFailed, match="are one person already"):
        merge(control, B, A, "pema", "one")
    unmerge(control, number, "pema", "two")
    with pytest.raises(CheckFailed, match=f"event {number} is no merge that holds"):
        unmerge(control, number, "pema", "two")
    assert fold(events(control)).aliases == {}
