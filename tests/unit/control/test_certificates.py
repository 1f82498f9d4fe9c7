"""What is certified, held and still to check."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from datacentre.control import certificates
from datacentre.control.certificates import Failing, Judgement, OverlappingCertificate, Status
from datacentre.control.ranges import OffsetRange, gaps
from datacentre.control.store import opened
from datacentre.errors import CheckFailed

STREAM = "dcrc__cid_issuance"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'deep' / 'control.sqlite'}") as engine:
        yield engine


def judgement(status: Status = Status.PASSED, *failing: Failing) -> Judgement:
    return Judgement(status, "as it is", failing, "c" * 64, "s" * 64, 7)


def test_everything_landed_is_pending_at_first(control: sa.Engine) -> None:
    assert certificates.pending(control, STREAM, {1: 5, 0: 3, 2: 0}) == (
        OffsetRange(0, 0, 3),
        OffsetRange(1, 0, 5),
    )


def test_passed_and_held_ranges_are_not_checked_again(control: sa.Engine) -> None:
    certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement())
    certificates.record(control, STREAM, [OffsetRange(0, 10, 20)], judgement(Status.HELD))
    assert certificates.pending(control, STREAM, {0: 25}) == (OffsetRange(0, 20, 25),)
    assert [r.next_offset for r in certificates.certified_ranges(control, STREAM)] == [10]
    assert [c.range for c in certificates.held(control)] == [OffsetRange(0, 10, 20)]


def test_streams_do_not_see_each_other(control: sa.Engine) -> None:
    certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement())
    assert certificates.pending(control, "dot__departures", {0: 4}) == (OffsetRange(0, 0, 4),)
    assert certificates.held(control, "dot__departures") == ()


@pytest.mark.parametrize("overlap", [(0, 5), (5, 6), (9, 20), (0, 20)])
def test_an_overlap_is_refused_and_nothing_of_its_batch_is_kept(control: sa.Engine, overlap: tuple[int, int]) -> None:
    certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement())
    with pytest.raises(OverlappingCertificate, match="overlaps certificate 1"):
        certificates.record(control, STREAM, [OffsetRange(1, 0, 3), OffsetRange(0, *overlap)], judgement())
    assert certificates.covered(control, STREAM) == (OffsetRange(0, 0, 10),)


def test_a_late_release_gets_a_higher_number(control: sa.Engine) -> None:
    (held,) = certificates.record(control, STREAM, [OffsetRange(0, 0, 10)], judgement(Status.HELD))
    (later,) = certificates.record(control, STREAM, [OffsetRange(0, 10, 20)], judgement())
    number = certificates.release(control, held, "tshering", "the office confirmed the fees")
    assert number > later > held
    assert {r.certificate_id for r in certificates.certified_ranges(control, STREAM)} == {later, number}
    assert certificates.pending(control, STREAM, {0: 20}) == ()
    with pytest.raises(CheckFailed, match="is superseded"):
        certificates.release(control, held, "tshering", "twice")


def test_a_range_given_back_is_pending_and_later_ones_stay(control: sa.Engine) -> None:
    (held,) = certificates.record(control, STREAM, [OffsetRange(0, 5, 10)], judgement(Status.HELD))
    certificates.record(control, STREAM, [OffsetRange(0, 0, 5), OffsetRange(0, 10, 20)], judgement())
    certificates.recheck(control, held, "tshering", "new contract")
    assert certificates.pending(control, STREAM, {0: 22}) == (OffsetRange(0, 5, 10), OffsetRange(0, 20, 22))


def test_a_quarantined_range_is_never_certified(control: sa.Engine) -> None:
    (held,) = certificates.record(control, STREAM, [OffsetRange(0, 0, 5)], judgement(Status.HELD))
    certificates.quarantine(control, held, "tshering", "test data")
    assert certificates.certified_ranges(control, STREAM) == ()
    assert certificates.pending(control, STREAM, {0: 5}) == ()
    assert certificates.held(control) == ()


def test_each_certificate_keeps_the_ids_of_its_own_range(control: sa.Engine) -> None:
    failing = Failing("step.allowed", "critical", 4000, tuple(f"{p}:{o}" for p in (0, 1) for o in range(2000)))
    ranges = [OffsetRange(0, 0, 2000), OffsetRange(1, 1990, 2000)]
    certificates.record(control, STREAM, ranges, judgement(Status.HELD, failing))
    first, second = certificates.held(control)
    assert len(first.failing[0].record_ids) == certificates.MAX_RECORD_IDS
    assert second.failing[0].record_ids == tuple(f"1:{o}" for o in range(1990, 2000))
    assert second.failing[0].unexpected_count == 4000


def test_two_checks_at_once_cannot_both_certify(control: sa.Engine, tmp_path: Path) -> None:
    together = Barrier(2)

    def check(first: int) -> int:
        written = 0
        with opened(str(control.url)) as own:
            for start in range(0, 100, 10):
                together.wait()
                try:
                    wanted = OffsetRange(0, start + first, start + first + 10)
                    certificates.record(own, STREAM, [wanted], judgement())
                    written += 1
                except OverlappingCertificate:
                    pass
        return written

    with ThreadPoolExecutor(2) as threads:
        written = sum(threads.map(check, (0, 5)))
    kept = certificates.covered(control, STREAM)
    assert len(kept) == written
    assert all(a.next <= b.start for a, b in pairwise(kept))


def test_stores_opened_at_once_all_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'control.sqlite'}"
    together = Barrier(4)

    def start(number: int) -> int:
        together.wait()
        with opened(url) as own:
            (made,) = certificates.record(own, STREAM, [OffsetRange(number, 0, 1)], judgement())
        return made

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(start, range(4))) == [1, 2, 3, 4]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=8), st.integers(0, 60))
def test_gaps_are_exactly_what_is_not_covered(parts: list[tuple[int, int]], following: int) -> None:
    covered, end = [], 0
    for skip, width in parts:
        covered.append(OffsetRange(0, end + skip % 7, end + skip % 7 + width))
        end = covered[-1].next
    open_offsets = {o for gap in gaps(covered, 0, 0, following) for o in range(gap.start, gap.next)}
    taken = {o for r in covered for o in range(r.start, r.next)}
    assert open_offsets == set(range(following)) - taken
