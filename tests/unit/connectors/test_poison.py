"""When a stream is stopped for its bad records, and how it goes on."""

import json
import logging
from pathlib import Path

import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.poison import LEAST, WINDOW, Guard, Poisoned, Stops
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.errors import CheckFailed
from datacentre.pseudonym import PseudonymKey
from lake.offsets import held_offsets
from lake.positions import landed_positions

KEY = PseudonymKey("k1", b"s" * 32)
STREAM = "dcrc__cid_issuance"
TOPIC = Topic(STREAM, "cluster/topic-a", {0: 0, 1: 0}, {0: 0, 1: 0})
SECRET = "11410004444"


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


def writer(home: Path, contract: Contract, percent: float = 50.0) -> StreamWriter:
    return StreamWriter(home / "lake", contract, KEY, TOPIC, guard=Guard(Stops(home), STREAM, percent))


def batch(contract: Contract, start: int, pattern: str, partition: int = 0) -> Batch:
    """One record per letter: `g` is good, `b` has a step that no code list knows."""
    made = Batch()
    made.advance(partition, start, start + len(pattern))
    records = []
    for number, letter in enumerate(pattern):
        fields = {
            "event_id": f"e{start + number}",
            "source": "dcrc/bcrs",
            "event_time": "2026-03-01T10:00:00Z",
            "schema": contract.schema_tag,
            "application_id": "CID-1",
            "cid": SECRET,
            "step": "submitted" if letter == "g" else "unheard_of",
        }
        records.append((partition, start + number, 1_780_000_000_000, b"CID-1", json.dumps(fields).encode()))
    made.add(Chunk.of(contract.key, records))
    return made


def test_a_poisoned_batch_is_not_written_and_the_stop_says_why(
    tmp_path: Path, contract: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    opened = writer(tmp_path, contract)
    opened.commit(batch(contract, 0, "g" * 700))
    with pytest.raises(Poisoned, match=rf"50 %.*step.allowed.*first at 0:700.*datacentre resume {STREAM}"):
        opened.commit(batch(contract, 700, "b" * 900))
    assert landed_positions(tmp_path / "lake", contract)[0] == 700
    assert held_offsets(tmp_path / "lake", contract, "quarantine") == {}
    stop = Stops(tmp_path).find(STREAM)
    assert stop is not None
    assert (stop.by_rule, stop.first_offsets[:2]) == ({"step.allowed": 900}, ["0:700", "0:701"])
    assert stop.seen == {"0": [700, 1600]}
    assert [r.levelno for r in caplog.records if STREAM in r.message] == [logging.ERROR]
    assert SECRET not in (tmp_path / "stops" / f"{STREAM}.json").read_text() + caplog.text


def test_few_records_are_no_window(tmp_path: Path, contract: Contract) -> None:
    done = writer(tmp_path, contract).commit(batch(contract, 0, "b" * (LEAST - 1)))
    assert done.quarantined == LEAST - 1


def test_the_window_slides_over_batches(tmp_path: Path, contract: Contract) -> None:
    """Half bad is not more than half; one more within any window of 2,000 is."""
    opened = writer(tmp_path, contract)
    opened.commit(batch(contract, 0, "gb" * (WINDOW // 2)))
    opened.commit(batch(contract, WINDOW, "g" * WINDOW))
    opened.commit(batch(contract, 2 * WINDOW, "b" * (WINDOW // 2)))
    with pytest.raises(Poisoned, match=r"1,001 of 2,000"):
        opened.commit(batch(contract, 2 * WINDOW + WINDOW // 2, "b"))


def test_a_bad_stretch_inside_one_large_batch_is_seen(tmp_path: Path, contract: Contract) -> None:
    with pytest.raises(Poisoned):
        writer(tmp_path, contract).commit(batch(contract, 0, "g" * 4000 + "b" * 1500 + "g" * 4000))


def test_at_a_hundred_percent_nothing_is_stopped(tmp_path: Path, contract: Contract) -> None:
    assert writer(tmp_path, contract, 100).commit(batch(contract, 0, "b" * 1000)).quarantined == 1000


def test_another_sink_stops_at_its_next_commit_and_goes_on_after_resume(tmp_path: Path, contract: Contract) -> None:
    first, second = writer(tmp_path, contract), writer(tmp_path, contract)
    with pytest.raises(Poisoned):
        first.commit(batch(contract, 0, "b" * 600))
    with pytest.raises(Poisoned):
        second.commit(batch(contract, 0, "g" * 10, partition=1))
    Stops(tmp_path).resume(STREAM, accept=False)
    assert second.commit(batch(contract, 0, "g" * 10, partition=1)).landed == 10
    with pytest.raises(Poisoned):
        first.commit(batch(contract, 0, "b" * 600))


def test_accepted_records_go_to_quarantine_and_later_ones_are_judged(tmp_path: Path, contract: Contract) -> None:
    opened = writer(tmp_path, contract)
    with pytest.raises(Poisoned):
        opened.commit(batch(contract, 0, "b" * 600))
    Stops(tmp_path).resume(STREAM, accept=True)
    assert opened.commit(batch(contract, 0, "b" * 400)).quarantined == 400  # cut elsewhere this time
    assert opened.commit(batch(contract, 400, "b" * 200)).quarantined == 200
    with pytest.raises(Poisoned, match="first at 0:600"):
        opened.commit(batch(contract, 600, "b" * 700))


def test_only_a_stopped_stream_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="isn't stopped"):
        Stops(tmp_path).resume(STREAM, accept=False)
