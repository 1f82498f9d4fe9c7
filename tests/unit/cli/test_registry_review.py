"""Reviews, merges and unmerges by command."""

import json
from pathlib import Path

from datacentre.control.identity import Event, Kind, append
from datacentre.control.store import opened
from datacentre.settings import from_environment
from tests.unit.cli.test_errors import one_line, run

A, B = "a" * 64, "b" * 64


def test_a_review_is_listed_decided_and_taken_back(tmp_path: Path) -> None:
    review = Event(Kind.REVIEW_OPENED, "linkage", "one may be the same", A, B, "x", 0, 7, candidates=((A, 0.8),))
    with opened(from_environment({"DATACENTRE_HOME": str(tmp_path / "home")}).control_url) as control:
        append(control, [review])
    (listed,) = json.loads(run(tmp_path, "registry", "review", "list", "--json").stdout)
    assert (listed["number"], listed["candidates"]) == (1, [[A, 0.8]])
    done = run(tmp_path, "registry", "review", "decide", "1", "--same", "--reason", "asked her")
    assert "review 1 is decided, by event 2" in done.stdout
    assert json.loads(run(tmp_path, "registry", "review", "list", "--json").stdout) == []
    assert (
        "event 2 is taken back, by event 3" in run(tmp_path, "registry", "unmerge", "2", "--reason", "mixed up").stdout
    )
    told = json.loads(run(tmp_path, "registry", "events", "--json").stdout)
    assert [event["kind"] for event in told] == [Kind.REVIEW_OPENED, Kind.REVIEW_SAME, Kind.UNMERGED]


def test_a_merge_without_a_reason_is_refused(tmp_path: Path) -> None:
    assert "--reason" in one_line(run(tmp_path, "registry", "merge", A, B, "--reason", " "))
