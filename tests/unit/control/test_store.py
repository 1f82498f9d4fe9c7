"""Outcomes, and the ways in which a store can't be opened."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from datacentre.control import outcomes
from datacentre.control.outcomes import StageOutcome
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


@pytest.mark.parametrize("url", ["sqlite://", "mysql://x/y", "no url", "sqlite:///:memory:"])
def test_an_unusable_url_is_named(url: str) -> None:
    with pytest.raises(ContractError, match="DATACENTRE_CONTROL_URL"), opened(url):
        pass


def test_a_store_that_does_not_answer_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceUnavailable, match="doesn't answer"), opened(f"sqlite:///{tmp_path / 'folder'}"):
        pass
