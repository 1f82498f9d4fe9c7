"""When a sink keeps its tables up."""

from pathlib import Path

import pytest

from connectors.sink import keeper
from connectors.sink.keeper import Keeper
from datacentre.contracts import Contract


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    kept: list[str] = []
    monkeypatch.setattr(keeper, "keep_up", lambda lake, contract, hours: kept.append(contract.key))
    return kept


@pytest.mark.parametrize(("was_full", "commits"), [(False, 3), (True, 30)])
def test_full_batches_count_a_tenth(
    tmp_path: Path, contracts: dict[str, Contract], rounds: list[str], was_full: bool, commits: int
) -> None:
    member = Keeper(tmp_path, contracts, 3)
    for _ in range(commits - 1):
        member.committed("dot__departures", was_full)
    member.close()
    assert rounds == []
    member.committed("dot__departures", was_full)
    member.close()
    assert rounds == ["dot__departures"]


def test_streams_are_counted_apart(tmp_path: Path, contracts: dict[str, Contract], rounds: list[str]) -> None:
    member = Keeper(tmp_path, contracts, 2)
    for stream in ("dot__departures", "dot__exit_survey", "dot__departures"):
        member.committed(stream, was_full=False)
    member.close()
    assert rounds == ["dot__departures"]
