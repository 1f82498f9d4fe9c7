"""Back up the centre while it runs: what can't be made anew, in an order that a restore can trust.

Certificates come first and tables after them, so that no certificate covers more than the backup's lake holds. What
an agency's topic still has, and the marts, are no part of it: the sink and the builds make them anew. The published
version of the marts comes along, for readers not to wait for a build.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.sink.replay import only_replay
from datacentre.control.copy import copy_store
from datacentre.control.outcomes import recent
from datacentre.control.store import opened
from datacentre.errors import ContractError, DataCentreError, SourceUnavailable
from datacentre.file_lock import locked_if_free
from datacentre.settings import Settings
from datacentre.stages.outcome import Outcome, store
from lake.backup import TableState, copy_file, copy_table, pinned, state_of, streams_of
from lake.marts import published
from lake.tables import lake_id, table_path
from sharing.access_log.backup import copy_log

CONTROL = "control.sqlite"
FOLDERS = ("keys", "erasures", "rejects", "stops")
"""Of the home, copied whole: secrets, certificates of erasure, refused rows of files, streams that were stopped."""

_MANIFEST = "manifest.json"
_FORMAT = 1
_REMEMBERED = 10_000
_NAME = "centre-%Y%m%dT%H%M%S.%fZ"
_DRAFT = ".draft"


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. `rows` counts those of the control store."""

    created_at: str
    lake_id: str
    database: str
    rows: int
    tables: tuple[TableState, ...]
    format: int = _FORMAT


def backup(settings: Settings, folder: Path | None = None) -> Path:
    """Make a backup below `folder`, by default `settings.backups`, and delete those that are too old.

    Returns its folder, which has its name only once all of it is on the disk. Safe beside running sinks, checks and
    builds. Raises SourceUnavailable while a replay or backfill runs, or where the disk refuses.
    """
    place = folder or settings.backups
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_backup(place):
        started, now = time.monotonic(), datetime.now(UTC)
        draft = place / f"{now.strftime(_NAME)}{_DRAFT}"
        draft.mkdir(mode=0o700)
        earlier = (*complete(place), draft)[-1]
        manifest = _copy(settings, draft, earlier, now)
        (draft / _MANIFEST).write_text(json.dumps(asdict(manifest), indent=1))
        os.sync()
        target = draft.rename(draft.with_suffix(""))
        expired = _expire(place, now - timedelta(days=settings.backup_days))
        _tell(settings, target, manifest, expired, time.monotonic() - started)
    return target


@contextmanager
def only_backup(place: Path) -> Iterator[None]:
    """Hold the folder, and clear away what a backup has left that was cut short.

    Raises SourceUnavailable while another process holds it.
    """
    with locked_if_free(place / "lock") as is_free:
        if not is_free:
            raise SourceUnavailable(f"{place}: another backup is being made; try again when it is done")
        for draft in place.glob(f"centre-*{_DRAFT}"):
            shutil.rmtree(draft)
        yield


def _copy(settings: Settings, draft: Path, earlier: Path, now: datetime) -> Manifest:
    rows = _copy_control(settings, draft)
    streams = streams_of(settings.lake)
    tables = tuple(state for s in streams for state in _copy_stream(settings.lake, s, draft, earlier))
    _copy_rest(settings, draft, earlier)
    return Manifest(now.isoformat(), lake_id(settings.lake), settings.database or "sqlite", rows, tables)


def backup_places(settings: Settings) -> tuple[Path, ...]:
    """Every folder that is there and that backups of this centre were made in, as the control store remembers."""
    with opened(settings.control_url) as control:
        told = {Path(o.detail["folder"]).parent for o in recent(control, "backup", limit=_REMEMBERED)}
    return tuple(place for place in sorted({settings.backups, *told}) if place.is_dir())


def complete(place: Path) -> tuple[Path, ...]:
    """The finished backups below a folder, oldest first."""
    return tuple(sorted(f.parent for f in place.glob(f"centre-*/{_MANIFEST}") if f.parent.suffix != _DRAFT))


def read_manifest(folder: Path) -> Manifest:
    """Raises ContractError where the folder is no finished backup of a format that this program knows."""
    file = folder / _MANIFEST
    try:
        document = json.loads(file.read_text())
        if document["format"] != _FORMAT:
            raise ContractError(f"{file}: format {document['format']}, this program restores format {_FORMAT}")
        tables = tuple(
            TableState(**{**t, "positions": {int(p): n for p, n in t["positions"].items()}}) for t in document["tables"]
        )
        return Manifest(**{**document, "tables": tables})
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ContractError(f"{file}: not the manifest of a backup ({problem})") from None


def _copy_control(settings: Settings, draft: Path) -> int:
    with opened(settings.control_url) as control, opened(f"sqlite:///{draft / CONTROL}") as copy:
        rows = copy_store(control, copy)
    (draft / CONTROL).chmod(0o600)
    return rows


def _copy_stream(lake: Path, stream: str, draft: Path, earlier: Path) -> list[TableState]:
    with pinned(lake, stream, only_replay(lake, stream)) as tables:
        for table in tables:
            path = table_path(table).relative_to(lake)
            copy_table(table, draft / "lake" / path, earlier / "lake" / path)
        return [state_of(table) for table in tables]


def _copy_rest(settings: Settings, draft: Path, earlier: Path) -> None:
    (draft / "lake").mkdir(exist_ok=True)
    (draft / "lake" / "id").write_text(lake_id(settings.lake))
    for name in FOLDERS:
        if (settings.home / name).is_dir():
            shutil.copytree(settings.home / name, draft / name)
    copy_log(settings.home, draft)
    try:
        version = published(settings.marts)
    except DataCentreError:  # nothing is built yet
        return
    (draft / "marts").mkdir()
    copy_file(version, draft / "marts" / version.name, earlier / "marts" / version.name)
    (draft / "marts" / "CURRENT").write_text(version.name)


def _expire(place: Path, limit: datetime) -> list[str]:
    """Delete the backups of before `limit`, but never the newest one. Only that keeps its marts: they can be built."""
    for folder in complete(place)[:-1]:
        shutil.rmtree(folder / "marts", ignore_errors=True)
    old = [f for f in complete(place)[:-1] if datetime.strptime(f.name, _NAME).replace(tzinfo=UTC) < limit]
    for folder in old:
        shutil.rmtree(folder)
    return [folder.name for folder in old]


def _tell(settings: Settings, target: Path, manifest: Manifest, expired: Iterable[str], seconds: float) -> None:
    detail = {"folder": str(target), "tables": len(manifest.tables), "expired": list(expired)}
    with opened(settings.control_url) as control:
        store(control, Outcome("backup", "centre", "", manifest.rows, manifest.rows, 0, seconds, detail))
