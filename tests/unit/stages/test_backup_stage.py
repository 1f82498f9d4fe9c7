"""What a backup holds and links, what it refuses, and what a restore makes of it."""

import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.replay import only_replay
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract, load_contracts
from datacentre.control.outcomes import recent
from datacentre.control.store import opened
from datacentre.errors import CheckFailed, ContractError, SourceUnavailable
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings, from_environment
from datacentre.stages import backup as backup_stage
from datacentre.stages import restore as restore_stage
from datacentre.stages.backup import backup, backup_places, complete, read_manifest
from datacentre.stages.restore import restore
from lake.marts import published
from lake.offsets import held_offsets
from lake.tables import table_folder
from lake.upkeep import keep_up
from sharing.access_log.entry import Read
from sharing.access_log.log import AccessLog
from sharing.access_log.verification import verify
from sharing.cursor import CursorSeal, InvalidCursor
from sharing.pseudonyms import load_scope, rotate_scope

STREAM = "pmo__deliberation_vote"
TOPIC = Topic(STREAM, "cluster/topic", {0: 0}, {0: 0})
Commit = Callable[[int, int], None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"DATACENTRE_HOME": str(tmp_path / "home")})


@pytest.fixture
def contract(settings: Settings) -> Contract:
    return load_contracts(settings.schemas)[STREAM]


@pytest.fixture
def commit(settings: Settings, contract: Contract) -> Commit:
    """Lands votes, every third of them in quarantine."""
    writer = StreamWriter(settings.lake, contract, load_or_create(settings.home, False), TOPIC)

    def land(start: int, following: int) -> None:
        made = Batch()
        made.advance(0, start, following)
        for offset in range(start, following):
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
            made.add(Chunk.of(STREAM, [record]))
        writer.commit(made)

    return land


def offsets(settings: Settings, contract: Contract) -> list[int]:
    held = [held_offsets(settings.lake, contract, layer)[0].tolist() for layer in ("landed", "quarantine")]
    return sorted(held[0] + held[1])


def parquet(folder: Path) -> dict[str, int]:
    """Names and inodes of the tables' files."""
    return {f.name: f.stat().st_ino for f in folder.rglob("ingest_date=*/*.parquet")}


def test_a_home_comes_back_as_it_was(settings: Settings, contract: Contract, commit: Commit, tmp_path: Path) -> None:
    commit(0, 10)
    made = backup(settings)
    commit(10, 20)
    elsewhere = replace(settings, home=tmp_path / "elsewhere")
    elsewhere = replace(elsewhere, control_url=elsewhere.own_control_url)
    restore(elsewhere, made)

    assert offsets(elsewhere, contract) == list(range(10))
    assert load_or_create(elsewhere.home, True) == load_or_create(settings.home, True)
    writer = StreamWriter(elsewhere.lake, contract, load_or_create(elsewhere.home, True), TOPIC)
    assert writer.positions([0]) == {0: 10}
    assert set(parquet(elsewhere.home).values()).isdisjoint(parquet(made).values())
    assert not list(tmp_path.glob("*.restoring"))
    assert from_environment({"DATACENTRE_HOME": str(elsewhere.home)}).database == "sqlite"


def test_the_access_log_comes_along_whole_and_cursors_end(settings: Settings, commit: Commit, tmp_path: Path) -> None:
    commit(0, 10)
    log = AccessLog(settings.home)
    log.write([Read("pmo", "k", "survey-trial", "rows", "fct_exit_survey_response")] * 3)
    log.settle()
    cursor = CursorSeal(settings.home).close(7, "pmo", STREAM)
    made = backup(settings)
    log.write([Read("pmo", "k", "survey-trial", "rows", "fct_exit_survey_response")])
    log.settle()
    elsewhere = replace(settings, home=tmp_path / "elsewhere")
    restore(replace(elsewhere, control_url=elsewhere.own_control_url), made)
    assert verify(elsewhere.home).entries == 3
    with pytest.raises(InvalidCursor):
        CursorSeal(elsewhere.home).open(cursor, int, "pmo", STREAM)
    AccessLog(elsewhere.home).write([Read("pmo", "k", "survey-trial", "catalogue", "")])
    assert verify(elsewhere.home).entries == 4


def test_only_its_owner_reads_secrets_and_identities(settings: Settings, commit: Commit) -> None:
    commit(0, 10)
    made = backup(settings)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    for secret in ("keys/pseudonym.json", "control.sqlite"):
        assert stat.S_IMODE((made / secret).stat().st_mode) == 0o600


def test_consumers_keep_their_tokens_over_a_restore(settings: Settings, commit: Commit, tmp_path: Path) -> None:
    commit(0, 10)
    load_scope(settings.home, "pmo")
    rotated = rotate_scope(settings.home, "pmo", "a laptop was lost")
    made = backup(settings)
    assert stat.S_IMODE((made / "keys/scopes/pmo.json").stat().st_mode) == 0o600
    elsewhere = replace(settings, home=tmp_path / "elsewhere")
    restore(replace(elsewhere, control_url=elsewhere.own_control_url), made)
    assert load_scope(elsewhere.home, "pmo") == rotated


def test_a_file_that_the_backup_before_has_takes_no_room(settings: Settings, commit: Commit) -> None:
    commit(0, 10)
    first = parquet(backup(settings))
    commit(10, 20)
    second = parquet(backup(settings))
    assert len(first) == 2 and len(second) == 4
    assert first.items() <= second.items()


def test_it_survives_the_vacuum_of_the_lake(
    settings: Settings, contract: Contract, commit: Commit, tmp_path: Path
) -> None:
    for start in range(0, 120, 10):
        commit(start, start + 10)
    made = backup(settings)
    keep_up(settings.lake, contract, retention_hours=0)
    later = backup(settings)
    for number, folder in enumerate((made, later)):
        restored = replace(settings, home=tmp_path / f"restored-{number}")
        restore(replace(restored, control_url=restored.own_control_url), folder)
        assert offsets(restored, contract) == list(range(120))


def test_only_the_newest_keeps_the_marts(settings: Settings, commit: Commit, tmp_path: Path) -> None:
    commit(0, 10)
    settings.marts.mkdir()
    for number in (1, 2):
        (settings.marts / f"centre-{number}.duckdb").write_text(f"version {number}")
        (settings.marts / "CURRENT").write_text(f"centre-{number}.duckdb")
        backup(settings)
    for folder, kept in zip(complete(settings.backups), (False, True), strict=True):
        restored = replace(settings, home=tmp_path / folder.name)
        restore(replace(restored, control_url=restored.own_control_url), folder)
        assert restored.marts.exists() is kept
    assert published(restored.marts).read_text() == "version 2"


def aged(made: Path, days: int) -> Path:
    at = datetime.now(UTC) - timedelta(days=days)
    return made.rename(made.with_name(f"centre-{at:%Y%m%dT%H%M%S.%fZ}"))


def test_old_backups_expire_but_never_the_last(settings: Settings, commit: Commit) -> None:
    commit(0, 10)
    oldest, old = aged(backup(settings), 40), backup(settings)
    assert complete(settings.backups) == (old,)
    old, young = aged(old, 31), aged(backup(settings), 29)
    assert complete(settings.backups) == (young,)
    assert oldest.exists() is old.exists() is False
    with opened(settings.control_url) as control:
        assert [o.detail["expired"] for o in recent(control, "backup")] == [[old.name], [oldest.name], []]


def test_every_folder_that_backups_went_to_is_remembered_while_it_is_there(settings: Settings, commit: Commit) -> None:
    commit(0, 10)
    assert backup_places(settings) == ()
    elsewhere = settings.home.parent / "a-disk"
    backup(settings, elsewhere)
    backup(settings)
    assert backup_places(settings) == (elsewhere, settings.backups)
    shutil.rmtree(elsewhere)
    assert backup_places(settings) == (settings.backups,)


def test_one_that_was_cut_short_is_none_and_is_cleared_away(
    settings: Settings, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(0, 10)
    with monkeypatch.context() as patch:
        patch.setattr(backup_stage, "copy_table", _fail)
        with pytest.raises(KeyboardInterrupt):
            backup(settings)
    (draft,) = settings.backups.glob("centre-*")
    assert complete(settings.backups) == ()
    with pytest.raises(ContractError, match="not the manifest of a backup"):
        restore(replace(settings, home=settings.home / "x"), draft)
    made = backup(settings)
    assert list(settings.backups.glob("centre-*")) == [made]


def _fail(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_home_that_holds_anything_is_left_alone(settings: Settings, commit: Commit) -> None:
    commit(0, 10)
    made = backup(settings)
    with pytest.raises(CheckFailed, match="isn't empty"):
        restore(settings, made)


def test_a_restore_that_was_cut_short_leaves_no_home_and_is_done_again(
    settings: Settings, contract: Contract, commit: Commit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(0, 10)
    made = backup(settings)
    elsewhere = replace(settings, home=tmp_path / "elsewhere")
    elsewhere = replace(elsewhere, control_url=elsewhere.own_control_url)
    with monkeypatch.context() as patch:
        patch.setattr(restore_stage, "copy_store", _fail)
        with pytest.raises(KeyboardInterrupt):
            restore(elsewhere, made)
    assert not elsewhere.home.exists()
    restore(elsewhere, made)
    assert offsets(elsewhere, contract) == list(range(10))
    assert not list(tmp_path.glob("*.restoring"))


@pytest.mark.parametrize("harm", ["missing", "cut short", "log"])
def test_a_damaged_backup_is_refused_and_leaves_no_home(
    settings: Settings, commit: Commit, tmp_path: Path, harm: str
) -> None:
    commit(0, 10)
    commit(10, 20)
    made = backup(settings)
    table = table_folder(made / "lake", "landed", STREAM)
    file = sorted(table.rglob("ingest_date=*/*.parquet"))[0]
    if harm == "missing":
        file.unlink()
    elif harm == "cut short":
        content = file.read_bytes()
        file.unlink()  # the lake has the same file by another name
        file.write_bytes(content[:-1])
    else:
        max((table / "_delta_log").glob("*.json")).unlink()
    elsewhere = replace(settings, home=tmp_path / "elsewhere")
    with pytest.raises(CheckFailed, match="use another one"):
        restore(replace(elsewhere, control_url=elsewhere.own_control_url), made)
    assert not elsewhere.home.exists()


def test_neither_a_replay_nor_another_backup_may_run(settings: Settings, commit: Commit) -> None:
    commit(0, 10)
    with only_replay(settings.lake, STREAM), pytest.raises(SourceUnavailable, match="another replay"):
        backup(settings)
    with backup_stage.only_backup(settings.backups), pytest.raises(SourceUnavailable, match="another backup"):
        backup(settings)
    assert read_manifest(backup(settings)).tables
