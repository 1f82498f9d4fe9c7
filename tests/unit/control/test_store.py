"""Outcomes, commits and the ways in which a store can't be opened."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from datacentre.control import commits, outcomes
from datacentre.control.commits import Commit
from datacentre.control.outcomes import StageOutcome
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.errors import ContractError, SourceUnavailable

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def test_outcomes_come_back_newest_first_with_their_instants(tmp_path: Path) -> None:
    thimphu = timezone(timedelta(hours=6))
    with opened(f"sqlite:///{tmp_path / 'c.sqlite'}") as control:
        for minute, stream in enumerate(["dot__departures", "dot__exit_survey"]):
            started = NOON.astimezone(thimphu) + timedelta(minutes=minute)
            ended = started + timedelta(seconds=2)
            detail = {"status": "passed"}
            outcome = StageOutcome("check", stream, "p0 0..3", started, ended, 3, 3, 0, detail)
            outcomes.record(control, outcome)
        newest, oldest = outcomes.recent(control, stage="check")
        assert (newest.stream, oldest.stream) == ("dot__exit_survey", "dot__departures")
        assert oldest.started_at == NOON and oldest.started_at.utcoffset() == timedelta(0)
        assert outcomes.recent(control, stream="dot__departures") == (oldest,)


def test_a_commit_is_remembered_once_and_found_by_offset(tmp_path: Path) -> None:
    commit = Commit("dot__departures", "landed", 3, OffsetRange(1, 10, 20), "h" * 64, NOON)
    with opened(f"sqlite:///{tmp_path / 'c.sqlite'}") as control:
        assert commits.last_version(control, "dot__departures", "landed") == -1
        assert commits.remember(control, [commit]) == 1
        assert commits.remember(control, [commit]) == 0
        assert commits.commit_of(control, "dot__departures", "landed", 1, 19) == commit
        assert commits.commit_of(control, "dot__departures", "landed", 1, 20) is None
        assert commits.last_version(control, "dot__departures", "landed") == 3


@pytest.mark.parametrize("url", ["sqlite://", "mysql://x/y", "no url", "sqlite:///:memory:"])
def test_an_unusable_url_is_named(url: str) -> None:
    with pytest.raises(ContractError, match="DATACENTRE_CONTROL_URL"), opened(url):
        pass


def test_a_store_that_does_not_answer_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceUnavailable, match="doesn't answer"), opened(f"sqlite:///{tmp_path / 'folder'}"):
        pass
