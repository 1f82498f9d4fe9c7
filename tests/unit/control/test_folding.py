"""Certificates that were built on become few."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from datacentre.control import certificates
from datacentre.control.certificates import CertifiedRange, Judgement, Status
from datacentre.control.folding import fold
from datacentre.control.published import published_through
from datacentre.control.ranges import OffsetRange
from datacentre.control.reopened import reopen
from datacentre.control.store import opened

STREAM = "dcrc__cid_issuance"
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


def record(
    control: sa.Engine, start: int, following: int, status: Status = Status.PASSED, suite: str = "s", version: int = 7
) -> int:
    judgement = Judgement(status, "all met", (), "c", suite, version)
    return certificates.record(control, STREAM, [OffsetRange(0, start, following)], judgement)[0]


def ranges(control: sa.Engine) -> tuple[CertifiedRange, ...]:
    return certificates.certified_ranges(control, STREAM)


def test_neighbours_become_one_under_the_highest_number(control: sa.Engine) -> None:
    last = [record(control, start, start + 10) for start in (0, 20, 10)][-1]
    assert fold(control, last, LATER) == 2
    assert ranges(control) == (CertifiedRange(last, 0, 0, 30),)
    assert certificates.pending(control, STREAM, {0: 35}) == (OffsetRange(0, 30, 35),)
    assert published_through(control, STREAM, last) == {0: 30}
    assert fold(control, last, LATER) == 0


def test_what_is_not_built_yet_or_new_stays(control: sa.Engine) -> None:
    first, second, third = (record(control, start, start + 10) for start in (0, 10, 20))
    assert fold(control, third, datetime.now(UTC) - timedelta(hours=1)) == 0
    assert fold(control, second, LATER) == 1
    assert ranges(control) == (CertifiedRange(second, 0, 0, 20), CertifiedRange(third, 0, 20, 30))
    assert first not in {r.certificate_id for r in ranges(control)}


@pytest.mark.parametrize("status", [Status.HELD, Status.QUARANTINED, Status.RELEASED])
def test_a_decision_stands_between(control: sa.Engine, status: Status) -> None:
    record(control, 0, 10)
    record(control, 10, 20, status)
    last = record(control, 20, 30)
    assert fold(control, last, LATER) == 0


def test_a_gap_or_another_suite_stands_between(control: sa.Engine) -> None:
    record(control, 0, 10)
    record(control, 11, 20)
    last = record(control, 20, 30, suite="newer")
    assert fold(control, last, LATER) == 0


def test_a_run_is_as_old_as_its_oldest_part(control: sa.Engine) -> None:
    record(control, 0, 10, version=7)
    last = record(control, 10, 20, version=9)
    fold(control, last, LATER)
    assert reopen(control, STREAM, [OffsetRange(0, 3, 5)], 8, "clerk", "replayed") == (OffsetRange(0, 3, 5),)
    assert ranges(control) == (CertifiedRange(last, 0, 0, 3), CertifiedRange(last, 0, 5, 20))
