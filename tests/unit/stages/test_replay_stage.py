"""What a replay means for the certificates, also when it ends before it told them."""

import json
from pathlib import Path

import pytest

import datacentre.stages.replay as replay_stage
from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.control import outcomes
from datacentre.control.store import opened
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings, from_environment
from datacentre.stages.check import check
from datacentre.stages.replay import dismiss, replay
from lake.quarantine import Selection

STREAM = "pmo__deliberation_vote"


class Crashed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def patch_file(tmp_path: Path) -> Path:
    file = tmp_path / "patch.yaml"
    file.write_text("codes: {vote: {perhaps: pass}}")
    return file


@pytest.fixture
def settings(tmp_path: Path, contracts: dict[str, Contract]) -> Settings:
    """A centre that holds and has certified twelve votes, four of which are in quarantine."""
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path)})
    contract = contracts[STREAM]
    topic = Topic(STREAM, "cluster/topic", {0: 0, 1: 0}, {0: 0, 1: 0})
    writer = StreamWriter(settings.lake, contract, load_or_create(settings.home, False), topic)
    batch = Batch()
    batch.advance(0, 0, 12)
    for offset in range(12):
        fields = {
            "event_id": f"v{offset}",
            "source": "pmo/deliberation",
            "event_time": "2026-03-01T10:00:00Z",
            "schema": contract.schema_tag,
            "conversation_id": "evening-clinics",
            "statement_id": "s1",
            "participant_key": f"{offset:016x}",
            "vote": "agree" if offset % 3 else "perhaps",
        }
        record = (0, offset, 1_780_000_000_000, f"{offset:016x}".encode(), json.dumps(fields).encode())
        batch.add(Chunk.of(STREAM, [record]))
    writer.commit(batch)
    check(settings, [STREAM])
    return settings


def test_replayed_offsets_are_certified_anew_and_once(settings: Settings, patch_file: Path) -> None:
    assert check(settings, [STREAM]) == ()
    outcome = replay(settings, STREAM, "tshering", Selection(), patch_file)
    assert (outcome.interval, outcome.rows_out) == ("p0 0..1, p0 3..4, p0 6..7, p0 9..10", 4)
    (checked,) = check(settings, [STREAM])
    assert (checked.interval, checked.rows_out) == (outcome.interval, 4)
    assert replay(settings, STREAM, "tshering").rows_in == 0
    assert check(settings, [STREAM]) == ()
    with opened(settings.control_url) as control:
        assert [o.rows_out for o in outcomes.recent(control, "replay")] == [4]


@pytest.mark.parametrize("heals", ["replay", "check"])
def test_a_replay_that_ended_before_it_told_the_certificates(
    settings: Settings, patch_file: Path, heals: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*arguments: object) -> None:
        raise Crashed

    with monkeypatch.context() as patched:
        patched.setattr(replay_stage, "reopen", dying)
        with pytest.raises(Crashed):
            replay(settings, STREAM, "tshering", Selection(), patch_file)
    if heals == "replay":
        assert replay(settings, STREAM, "tshering").rows_in == 0
    (checked,) = check(settings, [STREAM])
    assert checked.rows_out == 4
    assert check(settings, [STREAM]) == ()


def test_a_dismissal_is_kept_with_who_and_why_and_changes_no_certificate(settings: Settings) -> None:
    assert dismiss(settings, STREAM, "tshering", "test data", Selection(at=(0, 3))).rows_in == 1
    assert dismiss(settings, STREAM, "tshering", "test data", Selection(at=(0, 3))).rows_in == 0
    assert replay(settings, STREAM, "tshering").rows_in == 3
    assert check(settings, [STREAM]) == ()
