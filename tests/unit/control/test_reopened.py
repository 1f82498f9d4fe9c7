"""Cutting offsets out of certificates, so that the next check takes them up under a new number."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datacentre.control import certificates
from datacentre.control.certificates import CertifiedRange, Judgement, Status
from datacentre.control.ranges import OffsetRange
from datacentre.control.reopened import reopen
from datacentre.control.store import opened

STREAM = "dcrc__cid_issuance"
BEFORE, REPLAYED, AFTER = 7, 8, 9


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


def judgement(version: int = BEFORE, status: Status = Status.PASSED) -> Judgement:
    return Judgement(status, "all met", (), "c" * 64, "s" * 64, version)


def cut(control: sa.Engine, *ranges: OffsetRange) -> tuple[OffsetRange, ...]:
    return reopen(control, STREAM, ranges, REPLAYED, "tshering", "replay x landed in it")


def test_the_cut_is_pending_and_the_rest_keeps_its_number(control: sa.Engine) -> None:
    (first,) = certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement())
    assert cut(control, OffsetRange(0, 3, 4), OffsetRange(0, 6, 8)) == (OffsetRange(0, 3, 4), OffsetRange(0, 6, 8))
    pending = certificates.pending(control, STREAM, {0: 10})
    assert pending == (OffsetRange(0, 3, 4), OffsetRange(0, 6, 8))
    kept = [CertifiedRange(first, 0, 0, 3), CertifiedRange(first, 0, 4, 6), CertifiedRange(first, 0, 8, 10)]
    assert list(certificates.certified_ranges(control, STREAM)) == kept
    numbers = certificates.record(control, STREAM, pending, judgement(AFTER))
    assert min(numbers) > first
    assert certificates.pending(control, STREAM, {0: 10}) == ()
    assert set(certificates.certified_by_stream(control, [STREAM])[STREAM]) == {
        *kept,
        CertifiedRange(numbers[0], 0, 3, 4),
        CertifiedRange(numbers[1], 0, 6, 8),
    }


def test_what_was_certified_with_the_rows_stays(control: sa.Engine) -> None:
    certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement())
    cut(control, OffsetRange(0, 3, 4))
    certificates.record(control, STREAM, [OffsetRange(0, 3, 4)], judgement(REPLAYED))
    assert cut(control, OffsetRange(0, 3, 4)) == ()
    assert certificates.pending(control, STREAM, {0: 10}) == ()


def test_a_second_replay_cuts_what_the_first_left(control: sa.Engine) -> None:
    (first,) = certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement())
    cut(control, OffsetRange(0, 3, 4))
    cut(control, OffsetRange(0, 0, 1), OffsetRange(0, 9, 10))
    assert [
        (r.certificate_id, r.start_offset, r.next_offset) for r in certificates.certified_ranges(control, STREAM)
    ] == [
        (first, 1, 3),
        (first, 4, 9),
    ]


def test_a_held_range_is_checked_again_whole(control: sa.Engine) -> None:
    certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement(status=Status.HELD))
    assert cut(control, OffsetRange(0, 3, 4)) == (OffsetRange(0, 0, 10),)
    assert certificates.held(control) == ()
    assert certificates.pending(control, STREAM, {0: 10}) == (OffsetRange(0, 0, 10),)


def test_a_released_rest_keeps_the_number_of_its_release(control: sa.Engine) -> None:
    (held,) = certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement(status=Status.HELD))
    number = certificates.release(control, held, "tshering", "confirmed")
    cut(control, OffsetRange(0, 0, 5))
    assert certificates.certified_ranges(control, STREAM) == (CertifiedRange(number, 0, 5, 10),)


def test_the_rest_of_a_range_kept_out_stays_out(control: sa.Engine) -> None:
    (held,) = certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement(status=Status.HELD))
    certificates.quarantine(control, held, "tshering", "test data")
    cut(control, OffsetRange(0, 3, 4))
    assert certificates.certified_ranges(control, STREAM) == ()
    assert certificates.pending(control, STREAM, {0: 10}) == (OffsetRange(0, 3, 4),)


def test_other_streams_and_partitions_are_left_alone(control: sa.Engine) -> None:
    certificates.record(control, STREAM, [OffsetRange(1, 0, 10)], judgement())
    certificates.record(control, "dot__departures", [OffsetRange(0, 0, 10)], judgement())
    assert cut(control, OffsetRange(0, 0, 10)) == ()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edges=st.sets(st.integers(1, 59), max_size=6),
    offsets=st.sets(st.integers(0, 59), min_size=1, max_size=12),
)
def test_cut_and_rest_are_all_there_was(tmp_path: Path, edges: set[int], offsets: set[int]) -> None:
    file = tmp_path / "property.sqlite"
    file.unlink(missing_ok=True)
    points = [0, *sorted(edges), 60]
    with opened(f"sqlite:///{file}") as control:
        ranges = [OffsetRange(0, a, b) for a, b in pairwise(points)]
        certificates.record(control, STREAM, ranges, judgement())
        cut(control, *(OffsetRange(0, o, o + 1) for o in offsets))
        pending = {o for r in certificates.pending(control, STREAM, {0: 60}) for o in range(r.start, r.next)}
        rest = [o for r in certificates.certified_ranges(control, STREAM) for o in range(r.start_offset, r.next_offset)]
    assert pending == offsets
    assert sorted(rest) == [o for o in range(60) if o not in offsets]
