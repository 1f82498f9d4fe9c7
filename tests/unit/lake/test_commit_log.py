"""The log that the sink follows and extends is Delta's own, whoever else writes it."""

import json
import threading
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Field, Transaction, write_deltalake
from deltalake.schema import PrimitiveType

from datacentre.contracts import Contract
from datacentre.contracts.columns import QUARANTINE
from datacentre.errors import CheckFailed, SourceUnavailable
from lake.commit import append, write_files
from lake.commit_log import CommitLog, Overtaken
from lake.positions import transactions
from lake.tables import bind_topic, create_table

TOPIC = "cluster/topic"


@pytest.fixture
def table(tmp_path: Path, contracts: dict[str, Contract]) -> DeltaTable:
    return create_table(tmp_path, contracts["pmo__deliberation_vote"], "quarantine", TOPIC)


def rows(start: int, following: int, partition: int = 0) -> pa.Table:
    count = following - start
    columns = {
        "kafka_partition": pa.array([partition] * count, pa.int32()),
        "kafka_offset": pa.array(range(start, following), pa.int64()),
        "ingest_date": pa.array([date(2026, 3, 1)] * count, pa.date32()),
    }
    return pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in QUARANTINE], schema=QUARANTINE)


def extend(log: CommitLog, start: int, following: int, partition: int = 0) -> None:
    append(log, rows(start, following, partition), {partition: (start, following)}, "rules")


def offsets(log: CommitLog) -> list[int]:
    """Of all rows that deltalake finds, sorted."""
    return sorted(DeltaTable(log.folder).to_pyarrow_table(columns=["kafka_offset"])["kafka_offset"].to_pylist())


def clean_up(log: CommitLog) -> None:
    """What a checkpoint and a clean-up of old entries leave: the newest entry."""
    DeltaTable(log.folder).create_checkpoint()
    for entry in sorted((log.folder / "_delta_log").glob("*.json"))[:-1]:
        entry.unlink()


def test_deltalake_reads_what_was_appended(table: DeltaTable) -> None:
    log = CommitLog(table)
    extend(log, 0, 30)
    append(log, rows(0, 0), {0: (30, 35), 1: (0, 7)}, "rules", note="lost: 5")
    read = DeltaTable(log.folder)
    assert transactions(read, [0, 1]) == {0: 35, 1: 7}
    assert offsets(log) == list(range(30))
    newest = read.history(1)[0]
    assert (newest["operation"], newest["rules_hash"], newest["note"]) == ("WRITE", "rules", "lost: 5")
    assert json.loads(newest["offsets"]) == {"0": [30, 35], "1": [0, 7]}
    assert read.get_add_actions(flatten=True)["max.kafka_offset"].to_pylist() == [29]
    assert not list(log.folder.rglob("*.tmp"))


def test_what_others_commit_is_followed(table: DeltaTable) -> None:
    log = CommitLog(table)
    extend(CommitLog(table), 0, 10)
    table.update_incremental()
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 2 days"})
    table.create_write_transaction(
        write_files(log.folder, rows(10, 20)),
        "append",
        table.schema(),
        partition_by=["ingest_date"],
        commit_properties=CommitProperties(app_transactions=[Transaction(f"{TOPIC}/0", 20), Transaction("other", 1)]),
    )
    log.follow()
    assert (log.version, log.positions) == (3, {0: 20})
    extend(log, 20, 25)
    assert offsets(log) == list(range(25))


def test_of_two_writers_of_one_partition_one_is_refused(table: DeltaTable) -> None:
    first, second = CommitLog(table), CommitLog(table)
    extend(first, 0, 30)
    with pytest.raises(Overtaken):
        extend(second, 0, 40)
    assert offsets(first) == list(range(30))
    extend(second, 30, 40)  # it has seen now how far the other came
    assert offsets(first) == list(range(40))


def test_others_partitions_and_compactions_are_no_conflict(table: DeltaTable) -> None:
    first, second = CommitLog(table), CommitLog(table)
    for start in range(0, 50, 10):
        extend(first, start, start + 10)
    DeltaTable(first.folder).optimize.compact()
    extend(second, 100, 110, partition=1)
    assert offsets(first) == [*range(50), *range(100, 110)]
    assert transactions(DeltaTable(first.folder), [0, 1]) == {0: 50, 1: 110}


def test_every_writer_of_many_gets_its_rows_in_once(table: DeltaTable) -> None:
    def work(partition: int) -> None:
        log = CommitLog(table)
        for start in range(0, 60, 3):
            extend(log, start, start + 3, partition)

    threads = [threading.Thread(target=work, args=(partition,)) for partition in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = CommitLog(DeltaTable(table.table_uri))
    assert log.positions == dict.fromkeys(range(4), 60)
    assert log.version == 80
    assert offsets(log) == sorted(list(range(60)) * 4)


def test_one_that_slept_while_the_log_was_cleaned_begins_anew(table: DeltaTable) -> None:
    asleep, awake = CommitLog(table), CommitLog(table)
    for start in range(5):
        extend(awake, start, start + 1)
    clean_up(awake)
    asleep.follow()
    assert (asleep.version, asleep.positions) == (5, {0: 5})
    extend(asleep, 5, 6)
    assert offsets(awake) == list(range(6))


@pytest.mark.parametrize("seen", range(4))
def test_a_number_that_was_cleaned_away_is_not_taken_for_free(table: DeltaTable, seen: int) -> None:
    """The sleep came between the look and the commit; the last number that is free lies just before the checkpoint."""
    asleep, awake = CommitLog(table), CommitLog(table)
    for start in range(5):
        extend(awake, start, start + 1)
        if start + 1 == seen:
            asleep.follow()
    clean_up(awake)
    with pytest.raises(Overtaken, match=f"gone on behind version {seen + 1}"):
        extend(asleep, seen, seen + 3)
    assert offsets(awake) == list(range(5))
    assert asleep.positions == {0: 5}
    extend(asleep, 5, 6)
    assert offsets(awake) == list(range(6))


def test_checkpoints_come_as_the_table_asks(table: DeltaTable) -> None:
    table.alter.set_table_properties({"delta.checkpointInterval": "4"})
    log = CommitLog(DeltaTable(table.table_uri))
    for start in range(8):
        extend(log, start, start + 1)
    checkpoints = sorted(f.name[:20] for f in (log.folder / "_delta_log").glob("*.checkpoint.parquet"))
    assert [int(name) for name in checkpoints] == [4, 8]
    assert CommitLog(DeltaTable(log.folder)).positions == {0: 8}


def test_a_checkpoint_that_fails_is_made_up_for(table: DeltaTable, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: DeltaTable) -> None:
        raise OSError("No space left on device")

    table.alter.set_table_properties({"delta.checkpointInterval": "4"})
    log = CommitLog(DeltaTable(table.table_uri))
    with monkeypatch.context() as patched:
        patched.setattr(DeltaTable, "create_checkpoint", full)
        for start in range(5):
            extend(log, start, start + 1)
    assert log.positions == {0: 5}
    extend(log, 5, 6)
    assert json.loads((log.folder / "_delta_log" / "_last_checkpoint").read_text())["version"] == log.version


def test_a_torn_checkpoint_file_is_told_as_ours(table: DeltaTable) -> None:
    log = CommitLog(table)
    (log.folder / "_delta_log" / "_last_checkpoint").write_text('{"vers')
    with pytest.raises(SourceUnavailable, match="_last_checkpoint"):
        log.follow()


def test_a_table_told_to_forget_transactions_is_refused_while_it_is_written(table: DeltaTable) -> None:
    log = CommitLog(table)
    table.alter.set_table_properties({"delta.setTransactionRetentionDuration": "interval 1 days"})
    with pytest.raises(CheckFailed, match="offsets would be forgotten"):
        log.follow()


def test_added_columns_are_no_concern_but_changed_ones_are(table: DeltaTable) -> None:
    log = CommitLog(table)
    table.alter.add_columns([Field("added_later", PrimitiveType("string"))])
    extend(log, 0, 10)
    assert offsets(log) == list(range(10))
    others = rows(0, 0).drop_columns(["status"])
    write_deltalake(table.table_uri, others, mode="overwrite", schema_mode="overwrite")
    with pytest.raises(CheckFailed, match=r"changed or removed columns .*: added_later, status"):
        log.follow()


def test_a_table_bound_to_another_topic_meanwhile_refuses(table: DeltaTable) -> None:
    log = CommitLog(table)
    extend(log, 0, 10)
    table.update_incremental()
    bind_topic(table, "cluster/other", {0: 10})
    with pytest.raises(Overtaken):
        extend(log, 10, 20)
    assert (log.topic, log.positions) == ("cluster/other", {})


def test_a_table_that_asks_more_of_its_writers_is_refused_by_name(table: DeltaTable) -> None:
    log = CommitLog(table)
    table.alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    with pytest.raises(CheckFailed, match=r"writer version 4.*the sink writes version 2"):
        log.follow()
    with pytest.raises(CheckFailed, match="quarantine"):
        CommitLog(DeltaTable(table.table_uri))


def test_an_append_by_path_of_another_program_is_no_obstacle(table: DeltaTable) -> None:
    log = CommitLog(table)
    write_deltalake(table.table_uri, rows(0, 0), mode="append")
    extend(log, 0, 10)
    assert offsets(log) == list(range(10))
