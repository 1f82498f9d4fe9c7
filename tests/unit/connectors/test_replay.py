"""Replays of quarantined records, on real Delta tables: each record landed once, whatever ends in between."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import connectors.sink.replay as replay_module
from connectors.sink.batch import Batch, Chunk
from connectors.sink.replay import Replay, Replayer, only_replay
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.errors import CheckFailed, SourceUnavailable
from datacentre.pseudonym import PseudonymKey
from lake.commit_log import CommitLog
from lake.decisions import Decision, decide, ranges_of
from lake.offsets import held_offsets
from lake.positions import landed_positions
from lake.quarantine import EVERYTHING, Selection, count_open, open_offsets, whole_record
from lake.snapshot import snapshot
from lake.tables import open_table

KEY = PseudonymKey("k1", b"s" * 32)
RECEIVED_MS = 1_780_000_000_000
DAY_MS = 24 * 3_600_000
TOPIC = Topic("dcrc__cid_issuance", "cluster/topic-a", {0: 0, 1: 0}, {0: 0, 1: 0})
STEPS = {0: "unheard_of", 1: "never_said"}
NEW, OTHER = (f"{step}" for step in STEPS.values())


class Crashed(BaseException):
    """Stands for the end of the process: nothing in the code may catch it."""


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts["dcrc__cid_issuance"]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def allowing(contract: Contract, *codes: str) -> Contract:
    """The contract after its fix: these steps are codes too."""
    fields = tuple(replace(f, allowed=(*(f.allowed or ()), *codes)) if f.name == "step" else f for f in contract.fields)
    return replace(contract, fields=fields, purpose=f"{contract.purpose} {codes}")


def batch(contract: Contract, partition: int, start: int, following: int, step: str = NEW) -> Batch:
    """One record per offset and day; every third has a step that no code list knows, every other has an identity."""
    made = Batch()
    made.advance(partition, start, following)
    for offset in range(start, following):
        fields = {
            "event_id": f"e{partition}-{offset}",
            "source": "dcrc/bcrs",
            "event_time": "2026-03-01T10:00:00Z",
            "schema": contract.schema_tag,
            "application_id": "CID-1",
            "step": "submitted" if offset % 3 else step,
        }
        if offset % 2:
            fields["cid"] = f"{offset:011d}"
        record = (partition, offset, RECEIVED_MS + offset % 2 * DAY_MS, b"CID-1", json.dumps(fields).encode())
        made.add(Chunk.of(contract.key, [record]))
    return made


@pytest.fixture
def writer(lake: Path, contract: Contract) -> StreamWriter:
    """A sink's writer whose 90 offsets left 20 open rows of the one kind and 10 of the other."""
    writer = StreamWriter(lake, contract, KEY, TOPIC)
    writer.commit(batch(contract, 0, 0, 60))
    writer.commit(batch(contract, 1, 0, 30, OTHER))
    return writer


def run(lake: Path, contract: Contract, selection: Selection = EVERYTHING) -> list[Replay]:
    """What a whole replay has landed just now."""
    with only_replay(lake, contract.key):
        replayer = Replayer(lake, contract, KEY, "tshering")
        return [r for r in (*replayer.earlier(), *replayer.replay(selection)) if r.is_new]


def reconciles(lake: Path, contract: Contract, partition: int, following: int, is_open: Iterable[int]) -> None:
    """Assert that each offset is landed once or open, and the vault is what landed has of identities."""
    held = {r: held_offsets(lake, contract, r) for r in ("landed", "quarantine", "identified", "vault")}
    of = {r: list(h.get(partition, ())) for r, h in held.items()}
    still_open = list(is_open)
    assert of["quarantine"] == still_open
    assert of["landed"] == [o for o in range(following) if o not in still_open]
    assert of["vault"] == of["identified"] == [o for o in of["landed"] if o % 2]
    assert landed_positions(lake, contract)[partition] == following


def test_what_the_fixed_contract_allows_lands_once_where_it_came_from(
    lake: Path, contract: Contract, writer: StreamWriter
) -> None:
    fixed = allowing(contract, NEW)
    (done,) = run(lake, fixed)
    assert list(ranges_of(done.offsets)) == [(0, o, o + 1) for o in range(0, 60, 3)]
    reconciles(lake, fixed, 0, 60, ())
    reconciles(lake, fixed, 1, 30, range(0, 30, 3))
    files = list(snapshot(lake, fixed, "landed").files)
    rows = duckdb.execute(
        """select broker_time, event_id from read_parquet(?, hive_partitioning = false)
        where kafka_partition = 0 and kafka_offset in (3, 6) order by kafka_offset""",
        [files],
    ).fetchall()
    assert [(t.timestamp() * 1000, e) for t, e in rows] == [(RECEIVED_MS + DAY_MS, "e0-3"), (RECEIVED_MS, "e0-6")]
    record = whole_record(lake, fixed, 0, 3)
    assert record is not None
    assert (record.status, record.replay_id, record.decided_by) == ("replayed", done.id, "tshering")
    assert record.broken_rules == ("step.allowed",), "why it was rejected is kept"
    assert run(lake, fixed) == []


def test_the_sink_goes_on_after_a_replay_as_if_nothing_had_been(
    lake: Path, contract: Contract, writer: StreamWriter
) -> None:
    fixed = allowing(contract, NEW)
    run(lake, fixed)
    writer.commit(batch(contract, 0, 60, 75))
    reconciles(lake, fixed, 0, 75, range(60, 75, 3))


def test_only_the_selection_is_replayed(lake: Path, contract: Contract, writer: StreamWriter) -> None:
    fixed = allowing(contract, NEW, OTHER)
    day = date.fromtimestamp(RECEIVED_MS / 1000)
    run(lake, fixed, Selection(day=day))
    assert list(open_offsets(lake, fixed, EVERYTHING)[0]) == list(range(3, 60, 6))
    run(lake, fixed, Selection(at=(1, 3)))
    assert 3 not in open_offsets(lake, fixed, EVERYTHING)[1]
    assert run(lake, fixed, Selection(rule="step.type")) == []
    run(lake, fixed, Selection(rule="step.allowed"))
    assert count_open(lake, fixed) == []
    for partition, following in ((0, 60), (1, 30)):
        reconciles(lake, fixed, partition, following, ())


def test_a_replay_of_many_goes_in_pieces(
    lake: Path, contract: Contract, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "_ROWS", 7)
    fixed = allowing(contract, NEW)
    assert [r.rows for r in run(lake, fixed)] == [7, 7, 6]
    reconciles(lake, fixed, 0, 60, ())


def dying_at(step: int) -> dict[str, Callable[..., Any]]:
    """The commits of a replay, the process ending before (even) or after (odd) the `step // 2`th of them."""
    calls = iter(range(100))

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            number = next(calls)
            if number * 2 == step:
                raise Crashed
            result = real(*arguments)
            if number * 2 + 1 == step:
                raise Crashed
            return result

        return call

    return {"decide": wrapped(replay_module.decide), "append_once": wrapped(replay_module.append_once)}


@pytest.mark.parametrize("step", range(6))
def test_a_replay_cut_short_is_finished_by_the_next(
    lake: Path, contract: Contract, writer: StreamWriter, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = allowing(contract, NEW)
    with monkeypatch.context() as patched:
        for name, dying in dying_at(step).items():
            patched.setattr(replay_module, name, dying)
        with pytest.raises(Crashed):
            run(lake, fixed)
    held = {r: set(held_offsets(lake, fixed, r).get(0, ())) for r in ("landed", "quarantine")}
    assert not held["landed"] & held["quarantine"], "never both"
    writer.commit(batch(contract, 0, 60, 70))
    run(lake, fixed)
    reconciles(lake, fixed, 0, 70, ())
    assert run(lake, fixed) == []
    assert set(open_offsets(lake, fixed, EVERYTHING)) == {1}


def test_rules_that_change_back_before_anything_landed_reopen_what_they_break(
    lake: Path, contract: Contract, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(replay_module, "append_once", dying_at(0)["append_once"])
        with pytest.raises(Crashed):
            run(lake, allowing(contract, NEW, OTHER))
    assert run(lake, allowing(contract, OTHER))[0].offsets.keys() == {1}
    reconciles(lake, contract, 0, 60, range(0, 60, 3))
    reconciles(lake, contract, 1, 30, ())
    run(lake, allowing(contract, NEW))
    reconciles(lake, contract, 0, 60, ())


def test_a_vault_written_by_other_rules_is_not_completed_under_new_ones(
    lake: Path, contract: Contract, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(replay_module, "append_once", dying_at(2)["append_once"])
        with pytest.raises(Crashed):
            run(lake, allowing(contract, NEW))
    with pytest.raises(CheckFailed, match="Put that contract and program version back"):
        run(lake, contract)
    run(lake, allowing(contract, NEW))
    reconciles(lake, contract, 0, 60, ())


def test_a_sink_that_commits_at_every_moment_of_a_replay_does_no_harm(
    lake: Path, contract: Contract, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the replay's looks at the table is followed by a commit of the sink, so its first try is refused."""
    import lake.next_commit as next_commit

    starts = iter(range(60, 200, 10))
    real = next_commit.CommitProperties
    tries: list[int] = []

    def overtaken(**options: Any) -> Any:
        if len(tries) % 2 == 0:
            start = next(starts)
            writer.positions([0])
            writer.commit(batch(contract, 0, start, start + 10))
        tries.append(1)
        return real(**options)

    with monkeypatch.context() as patched:
        patched.setattr(next_commit, "CommitProperties", overtaken)
        run(lake, allowing(contract, NEW))
    assert len(tries) == 6, "each of the three commits was refused once"
    reconciles(lake, contract, 0, 90, [o for o in range(60, 90) if o % 3 == 0])


def test_dismissed_rows_are_neither_open_nor_replayed(lake: Path, contract: Contract, writer: StreamWriter) -> None:
    table = open_table(lake, contract, "quarantine")
    assert table is not None
    dismissed = Decision(
        "dismissed", decided_by="tshering", decided_at=datetime.now(UTC), reason="test data of the office"
    )
    decide(table, open_offsets(lake, contract, Selection(at=(0, 6))), "open", dismissed, "dismissal/1")
    run(lake, allowing(contract, NEW))
    reconciles(lake, contract, 0, 60, [6])
    record = whole_record(lake, contract, 0, 6)
    assert record is not None
    assert (record.status, record.reason, record.decided_by) == ("dismissed", "test data of the office", "tshering")


def test_what_only_quarantine_has_after_a_crash_is_left_to_the_sink(
    lake: Path, contract: Contract, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    import connectors.sink.writer as writer_module

    real = writer_module.append

    def dying(log: CommitLog, *arguments: Any) -> None:
        if "landed" in log.folder.parts:
            raise Crashed
        real(log, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(writer_module, "append", dying)
        with pytest.raises(Crashed):
            writer.commit(batch(contract, 0, 60, 72))
    run(lake, allowing(contract, NEW))
    again = StreamWriter(lake, contract, KEY, TOPIC)
    again.positions([0, 1])
    again.commit(batch(contract, 0, 60, 72))
    reconciles(lake, contract, 0, 72, range(60, 72, 3))


def test_two_replays_of_a_stream_do_not_overlap(lake: Path, contract: Contract, writer: StreamWriter) -> None:
    with only_replay(lake, contract.key), pytest.raises(SourceUnavailable, match="another replay is running"):
        run(lake, contract)


def test_no_identifier_reaches_a_delta_log(lake: Path, contract: Contract, writer: StreamWriter) -> None:
    run(lake, allowing(contract, NEW))
    logs = "".join(f.read_text() for f in lake.rglob("_delta_log/*.json"))
    assert "replay/" in logs
    assert "00000000003" not in logs
