"""The check stage over real landed tables."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest
from deltalake import DeltaTable

from datacentre.contracts import Contract
from datacentre.control import certificates, outcomes
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.errors import ContractError
from datacentre.settings import Settings
from datacentre.stages.check import check
from expectations.landed import fetch, increments
from lake.tables import create_table
from tests.unit.stages.conftest import STREAM, Land


def test_nothing_landed_gives_no_outcome(settings: Settings) -> None:
    assert check(settings) == ()


def test_what_landed_is_certified_once(settings: Settings, land: Land) -> None:
    land(0, 0, 6)
    land(1, 0, 3)
    (outcome,) = check(settings)
    assert (outcome.stage, outcome.stream, outcome.interval) == ("check", STREAM, "p0 0..6, p1 0..3")
    assert (outcome.rows_in, outcome.rows_out, outcome.detail["held"]) == (9, 9, [])
    assert check(settings) == ()
    with opened(settings.control_url) as control:
        certified = certificates.certified_ranges(control, STREAM)
        assert [(r.partition, r.start_offset, r.next_offset) for r in certified] == [(0, 0, 6), (1, 0, 3)]
        assert [o.stream for o in outcomes.recent(control, "check")] == [STREAM]


def test_a_broken_increment_is_held_and_does_not_block_the_next(settings: Settings, land: Land) -> None:
    land(0, 0, 5)
    check(settings)
    land(0, 5, 8, rating=9)
    land(1, 0, 2)
    (outcome,) = check(settings, [STREAM])
    assert (outcome.rows_in, outcome.rows_out) == (5, 0)
    assert outcome.detail["critical"] == {"rating.range": 3}
    land(0, 8, 10)
    (later,) = check(settings)
    assert (later.interval, later.rows_out) == ("p0 8..10", 2)
    with opened(settings.control_url) as control:
        first, second = certificates.held(control, STREAM)
        assert (first.range, second.range) == (OffsetRange(0, 5, 8), OffsetRange(1, 0, 2))
        assert first.reason == "critical: rating.range (3 rows)"
        assert first.failing[0].record_ids == ("0:5", "0:6", "0:7")
        assert second.failing[0].record_ids == ()


def test_a_range_without_rows_passes(settings: Settings, land: Land) -> None:
    land(0, 0, 1000, rating=None)
    (outcome,) = check(settings)
    assert (outcome.interval, outcome.rows_in, outcome.detail["held"]) == ("p0 0..1000", 0, [])
    land(0, 1000, 1002)
    land(1, 0, 50, rating=None)
    (outcome,) = check(settings)
    assert (outcome.rows_in, outcome.rows_out, len(outcome.detail["certificates"])) == (2, 2, 2)


def test_two_checks_at_once_certify_each_offset_once(settings: Settings, land: Land) -> None:
    land(0, 0, 20)
    land(2, 0, 20)
    with ThreadPoolExecutor(2) as threads:
        both = [outcome for done in threads.map(check, [settings] * 2) for outcome in done]
    assert sum(outcome.rows_out for outcome in both) == 40
    with opened(settings.control_url) as control:
        certified = certificates.certified_ranges(control, STREAM)
    assert [(r.partition, r.start_offset, r.next_offset) for r in certified] == [(0, 0, 20), (2, 0, 20)]


def test_one_unreadable_stream_does_not_stop_the_others(settings: Settings, contract: Contract, land: Land) -> None:
    other = replace(contract, key="dcrc__cid_issuance")
    create_table(settings.lake, other, "landed", "cluster/other")
    land(0, 0, 2)
    unread, certified = check(settings)
    assert unread.stream == "dcrc__cid_issuance"
    assert "columns differ" in unread.detail["error"]
    assert (certified.stream, certified.rows_out) == (STREAM, 2)
    with opened(settings.control_url) as control:
        assert len(certificates.certified_ranges(control, STREAM)) == 1


def test_an_unknown_stream_is_named(settings: Settings) -> None:
    with pytest.raises(ContractError, match="dcrc__nothing"):
        check(settings, ["dcrc__nothing"])


@pytest.mark.parametrize("max_rows", [1, 2, 7, 1000])
def test_large_ranges_are_cut_by_rows_and_lose_none(
    settings: Settings, contract: Contract, land: Land, max_rows: int
) -> None:
    land(0, 0, 30, step=3)
    land(1, 5, 9)
    land(2, 0, 40, rating=None)
    ranges = [OffsetRange(0, 0, 30), OffsetRange(1, 0, 9), OffsetRange(2, 0, 40)]
    parts = list(increments(settings.lake, contract, ranges, max_rows))
    for whole in ranges:
        pieces = [r for part in parts for r in part.ranges if r.partition == whole.partition]
        assert (pieces[0].start, pieces[-1].next) == (whole.start, whole.next)
        assert all(a.next == b.start for a, b in pairwise(pieces))
    fetched = [fetch(part, {}) for part in parts]
    sizes = [0 if rows is None else len(rows.frame) for rows in fetched]
    assert sum(sizes) == 14
    assert max(sizes) <= max(max_rows, len(ranges))
    assert DeltaTable(settings.lake / "landed" / STREAM).version() == parts[0].pinned.version
