"""How far the marts have come, from certificates and the last build."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from datacentre.control import certificates
from datacentre.control.certificates import Judgement, Status
from datacentre.control.published import published_through
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened

STREAM = "dcrc__cid_issuance"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


def record(control: sa.Engine, status: Status, start: int, following: int, partition: int = 0) -> int:
    judgement = Judgement(status, "as it is", (), "c", "s", 7)
    return certificates.record(control, STREAM, [OffsetRange(partition, start, following)], judgement)[0]


def test_what_is_certified_counts_once_it_is_built_on(control: sa.Engine) -> None:
    assert published_through(control, STREAM, 0) == {}
    first = record(control, Status.PASSED, 0, 10)
    record(control, Status.PASSED, 0, 4, partition=1)
    second = record(control, Status.PASSED, 10, 30)
    assert published_through(control, STREAM, 0) == {}
    assert published_through(control, STREAM, first) == {0: 10}
    assert published_through(control, STREAM, second) == {0: 30, 1: 4}
    assert published_through(control, "dot__departures", second) == {}


def test_what_is_held_or_kept_out_is_not_waited_for(control: sa.Engine) -> None:
    first = record(control, Status.PASSED, 0, 10)
    held = record(control, Status.HELD, 10, 20)
    record(control, Status.HELD, 20, 25)
    last = record(control, Status.PASSED, 25, 30)
    certificates.quarantine(control, held + 1, "clerk", "sent twice")
    assert published_through(control, STREAM, first) == {0: 25}
    assert published_through(control, STREAM, last) == {0: 30}

    released = certificates.release(control, held, "clerk", "confirmed")
    assert published_through(control, STREAM, last) == {0: 10}
    assert published_through(control, STREAM, released) == {0: 30}


def test_a_range_that_waits_for_its_check_is_a_gap(control: sa.Engine) -> None:
    record(control, Status.PASSED, 0, 10)
    held = record(control, Status.HELD, 10, 20)
    last = record(control, Status.PASSED, 20, 30)
    certificates.recheck(control, held, "clerk", "code list completed")
    assert published_through(control, STREAM, last) == {0: 10}
    record(control, Status.PASSED, 12, 20)
    assert published_through(control, STREAM, last + 9) == {0: 10}


def test_nothing_is_published_where_the_beginning_is_missing(control: sa.Engine) -> None:
    assert published_through(control, STREAM, record(control, Status.PASSED, 5, 10)) == {0: 0}
