"""The commit protocol, clause by clause, on real Delta tables."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

import connectors.sink.writer as writer_module
from connectors.sink.batch import Batch, Chunk
from connectors.sink.consent import Consent
from connectors.sink.writer import Fenced, StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.errors import CheckFailed, ContractError, SourceUnavailable
from datacentre.pseudonym import PseudonymKey
from lake.commit_log import CommitLog
from lake.forget import forget_deleted
from lake.offsets import held_offsets
from lake.positions import landed_positions
from lake.tables import open_table, table_folder

KEY = PseudonymKey("k1", b"s" * 32)
RECEIVED_MS = 1_780_000_000_000
TOPIC = Topic("dcrc__cid_issuance", "cluster/topic-a", {0: 0, 1: 0}, {0: 0, 1: 0})


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts["dcrc__cid_issuance"]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def open_writer(lake: Path, contract: Contract, topic: Topic = TOPIC, **options: Any) -> StreamWriter:
    return StreamWriter(lake, contract, KEY, topic, **options)


def batch(contract: Contract, partition: int, start: int, following: int) -> Batch:
    """One record per offset; every third is broken, every other good one has an identity."""
    made = Batch()
    made.advance(partition, start, following)
    for offset in range(start, following):
        fields = {
            "event_id": f"e{partition}-{offset}",
            "source": "dcrc/bcrs",
            "event_time": "2026-03-01T10:00:00Z",
            "schema": contract.schema_tag,
            "application_id": "CID-1",
            "step": "submitted" if offset % 3 else "unheard_of",
        }
        if offset % 2:
            fields["cid"] = f"{offset:011d}"
        record = (partition, offset, RECEIVED_MS, b"CID-1", json.dumps(fields).encode())
        made.add(Chunk.of(contract.key, [record]))
    return made


def merged(first: Batch, second: Batch) -> Batch:
    for chunk in second.chunks:
        first.add(chunk)
    first.ranges |= second.ranges
    return first


def holds(lake: Path, contract: Contract, partition: int, following: int) -> None:
    """Assert that the lake has every offset below `following` exactly once, and the vault what it should."""
    held = {r: held_offsets(lake, contract, r) for r in ("landed", "quarantine", "identified", "vault")}
    of = {r: list(h.get(partition, ())) for r, h in held.items()}
    assert sorted(of["landed"] + of["quarantine"]) == list(range(following))
    assert of["quarantine"] == [o for o in range(following) if o % 3 == 0]
    assert of["vault"] == of["identified"] == [o for o in range(following) if o % 3 and o % 2]
    assert landed_positions(lake, contract)[partition] == following


def test_each_table_gets_its_rows_once(lake: Path, contract: Contract) -> None:
    writer = open_writer(lake, contract)
    done = writer.commit(batch(contract, 0, 0, 60))
    assert (done.landed, done.quarantined, done.identified) == (40, 20, 20)
    writer.commit(batch(contract, 0, 60, 90))
    holds(lake, contract, 0, 90)


def test_a_new_stream_records_where_it_starts(lake: Path, contract: Contract) -> None:
    retained = replace(TOPIC, first_offsets={0: 500, 1: 0})
    open_writer(lake, contract, retained)
    assert landed_positions(lake, contract) == {0: 500, 1: 0}


def test_a_range_without_rows_still_moves_the_position(lake: Path, contract: Contract) -> None:
    """Aborted transactions leave offsets that hold no record."""
    writer = open_writer(lake, contract)
    empty = Batch()
    empty.advance(0, 0, 17)
    writer.commit(empty)
    assert landed_positions(lake, contract)[0] == 17


def test_a_stale_batch_is_fenced_and_changes_nothing(lake: Path, contract: Contract) -> None:
    first, zombie = open_writer(lake, contract), open_writer(lake, contract)
    first.commit(batch(contract, 0, 0, 30))
    with pytest.raises(Fenced):
        zombie.commit(batch(contract, 0, 0, 30))
    holds(lake, contract, 0, 30)


def test_one_stale_partition_leaves_the_batch_and_the_rest_is_written(lake: Path, contract: Contract) -> None:
    first, second = open_writer(lake, contract), open_writer(lake, contract)
    first.commit(batch(contract, 0, 0, 30))
    with pytest.raises(Fenced):
        second.commit(merged(batch(contract, 0, 0, 30), batch(contract, 1, 0, 12)))
    holds(lake, contract, 0, 30)
    holds(lake, contract, 1, 12)


def test_two_writers_of_disjoint_partitions_both_succeed(lake: Path, contract: Contract) -> None:
    first, second = open_writer(lake, contract), open_writer(lake, contract)
    first.commit(batch(contract, 0, 0, 30))
    second.commit(batch(contract, 1, 0, 30))
    holds(lake, contract, 0, 30)
    holds(lake, contract, 1, 30)


def test_a_writer_that_loses_the_race_after_its_look_is_refused(
    lake: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other commits between this writer's look at `landed` and its own commit."""
    slow, fast = open_writer(lake, contract), open_writer(lake, contract)
    real = writer_module.append

    def overtaken(log: CommitLog, *arguments: Any) -> None:
        monkeypatch.setattr(writer_module, "append", real)
        fast.commit(batch(contract, 0, 0, 30))
        real(log, *arguments)

    monkeypatch.setattr(writer_module, "append", overtaken)
    with pytest.raises(Fenced):
        slow.commit(batch(contract, 0, 0, 30))
    holds(lake, contract, 0, 30)


class Crashed(BaseException):
    """Stands for the end of the process: nothing in the code may catch it."""


@pytest.mark.parametrize("survived", [0, 1, 2], ids=["before vault", "before quarantine", "before landed"])
def test_a_crash_between_commits_loses_and_repeats_nothing(
    lake: Path, contract: Contract, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying_writer = open_writer(lake, contract)
    real, calls = writer_module.append, iter(range(100))

    def dying(*arguments: Any) -> None:
        if next(calls) == survived:
            raise Crashed
        real(*arguments)

    monkeypatch.setattr(writer_module, "append", dying)
    with pytest.raises(Crashed):
        dying_writer.commit(batch(contract, 0, 0, 40))
    monkeypatch.setattr(writer_module, "append", real)
    again = open_writer(lake, contract)
    assert again.positions([0]) == {0: 0}
    again.commit(batch(contract, 0, 0, 25))  # the batch is cut elsewhere this time
    again.commit(batch(contract, 0, 25, 70))
    holds(lake, contract, 0, 70)


def test_a_commit_whose_answer_is_lost_is_not_repeated(
    lake: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(lake, contract)
    real = writer_module.append

    def unheard(log: CommitLog, *arguments: Any) -> None:
        real(log, *arguments)
        if "landed" in log.folder.parts:
            raise OSError("connection reset")

    monkeypatch.setattr(writer_module, "append", unheard)
    with pytest.raises(SourceUnavailable):
        writer.commit(batch(contract, 0, 0, 30))
    monkeypatch.setattr(writer_module, "append", real)
    again = open_writer(lake, contract)
    assert again.positions([0]) == {0: 30}
    again.commit(batch(contract, 0, 30, 45))
    holds(lake, contract, 0, 45)


def test_another_topic_s_offsets_are_refused(lake: Path, contract: Contract) -> None:
    open_writer(lake, contract).commit(batch(contract, 0, 0, 30))
    with pytest.raises(CheckFailed, match=r"cluster/topic-a.*cluster/topic-b"):
        open_writer(lake, contract, replace(TOPIC, identity="cluster/topic-b"))


def test_a_partition_nobody_started_is_refused_until_told(lake: Path, contract: Contract) -> None:
    open_writer(lake, contract).commit(batch(contract, 0, 0, 30))
    grown = replace(TOPIC, first_offsets={0: 0, 1: 0, 2: 0})
    with pytest.raises(CheckFailed, match=r"partition\(s\) \[2\].*--start-partitions"):
        open_writer(lake, contract, grown)
    open_writer(lake, contract, grown, consent=Consent(start_partitions=True))
    assert landed_positions(lake, contract)[2] == 0


def test_a_range_only_the_vault_has_needs_the_contract_it_was_written_under(
    lake: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writer_module.append

    def dying(log: CommitLog, *arguments: Any) -> None:
        if "landed" in log.folder.parts:
            raise KeyboardInterrupt
        real(log, *arguments)

    writer = open_writer(lake, contract)
    monkeypatch.setattr(writer_module, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        writer.commit(batch(contract, 0, 0, 30))
    monkeypatch.setattr(writer_module, "append", real)
    changed = replace(contract, purpose="another purpose")
    with pytest.raises(CheckFailed, match=r"vault already holds partition 0 offsets 0 to 29.*other rules"):
        open_writer(lake, changed).positions([0])
    same = open_writer(lake, contract)
    same.positions([0])
    same.commit(batch(contract, 0, 0, 30))
    holds(lake, contract, 0, 30)


def test_the_vault_forgets_a_deleted_key_while_a_sink_goes_on(lake: Path, contract: Contract) -> None:
    writer = open_writer(lake, contract)
    writer.commit(batch(contract, 0, 0, 20))
    deletion = Batch()
    deletion.advance(0, 20, 21)
    deletion.add(Chunk.of(contract.key, [(0, 20, RECEIVED_MS, b"CID-1", None)]))
    writer.commit(deletion)
    writer.commit(batch(contract, 0, 21, 30))  # the same key, told again after its deletion
    assert forget_deleted(lake, contract) == sum(1 for o in range(20) if o % 3 and o % 2)
    assert list(held_offsets(lake, contract, "vault")[0]) == [23, 25, 29]
    assert list(held_offsets(lake, contract, "deleted")[0]) == [o for o in range(20) if o % 3 and o % 2]
    assert forget_deleted(lake, contract) == 0
    writer.commit(batch(contract, 0, 30, 40))
    assert landed_positions(lake, contract)[0] == 40
    logs = "".join(f.read_text() for f in (lake / "vault").rglob("_delta_log/*.json"))
    assert "CID-1" not in logs


def test_no_identifier_reaches_a_delta_log(lake: Path, contract: Contract) -> None:
    open_writer(lake, contract).commit(batch(contract, 0, 0, 30))
    logs = [f.read_text() for f in lake.rglob("_delta_log/*.json")]
    assert sum("numRecords" in text for text in logs) == 3
    assert not [text for text in logs if "00000000" in text.replace("0000000000000000000", "")]


def test_a_vault_that_is_gone_is_not_replaced(lake: Path, contract: Contract) -> None:
    open_writer(lake, contract).commit(batch(contract, 0, 0, 30))
    shutil.rmtree(lake / "vault")
    with pytest.raises(CheckFailed, match="its vault table is gone"):
        open_writer(lake, contract)


def test_a_table_that_forgets_transactions_is_refused(lake: Path, contract: Contract) -> None:
    open_writer(lake, contract)
    table = DeltaTable(table_folder(lake, "landed", contract.key))
    table.alter.set_table_properties({"delta.setTransactionRetentionDuration": "interval 1 days"})
    with pytest.raises(CheckFailed, match="setTransactionRetentionDuration"):
        open_table(lake, contract, "landed")


def test_a_table_with_other_columns_is_refused_by_name(lake: Path, contract: Contract) -> None:
    open_writer(lake, contract)
    fewer = replace(contract, fields=tuple(f for f in contract.fields if f.name != "fee_btn"))
    with pytest.raises(ContractError, match="fee_btn"):
        open_table(lake, fewer, "landed")


def test_a_running_sink_ends_when_its_table_goes_on_with_another_topic(lake: Path, contract: Contract) -> None:
    """Its records would land as the other topic's."""
    old = open_writer(lake, contract)
    old.commit(batch(contract, 0, 0, 30))
    other = replace(TOPIC, identity="cluster/topic-b")
    open_writer(lake, contract, other, consent=Consent(new_topic=True))
    with pytest.raises(CheckFailed, match=r"gone on with topic cluster/topic-b; this one reads cluster/topic-a"):
        old.commit(batch(contract, 0, 30, 60))
    holds(lake, contract, 0, 30)
