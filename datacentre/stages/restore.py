"""Make a centre from a backup, in an empty home."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from datacentre.control.copy import copy_store
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.services import postgresql
from datacentre.settings import Settings
from datacentre.stages.backup import CONTROL, FOLDERS, Manifest, read_manifest
from lake.backup import require_whole, state_of
from sharing.cursor import cursor_key_file

_PRIVATE = 0o700


def restore(settings: Settings, folder: Path) -> Manifest:
    """Put the backup's keys, lake, published marts and control store into the home; returns what the backup says.

    The home appears whole or not at all. Sinks go on from the lake's positions, the next build makes the marts anew.
    Raises CheckFailed for a home, or a control store of another place, that isn't empty, and for a damaged backup.
    """
    manifest = read_manifest(folder)
    if settings.home.exists() and any(settings.home.iterdir()):
        raise CheckFailed(f"{settings.home} isn't empty; move it away, or set DATACENTRE_HOME to another folder")
    if settings.home.is_mount():
        raise CheckFailed(f"{settings.home} is a disk by itself; set DATACENTRE_HOME to a folder on it")
    draft = settings.home.with_name(f"{settings.home.name}.restoring")
    shutil.rmtree(draft, ignore_errors=True)  # left by a restore that was cut short
    draft.mkdir(parents=True, mode=_PRIVATE)
    _copy_files(folder, draft)
    _require_tables(draft / "lake", manifest)
    _fill_control(settings, manifest, folder / CONTROL, draft)
    if settings.home.exists():
        settings.home.rmdir()
    draft.rename(settings.home)
    return manifest


def _copy_files(folder: Path, draft: Path) -> None:
    """Copies, not links: the backup must outlive whatever happens to the home."""
    for name in (*FOLDERS, "access", "lake", "marts"):
        if (folder / name).is_dir():
            shutil.copytree(folder / name, draft / name)
    # Certificates are numbered again from those of the backup on: who reads on behind one of after it would miss rows.
    # Who begins anew gets each row under its row_id of before.
    cursor_key_file(draft).unlink(missing_ok=True)


def _require_tables(lake: Path, manifest: Manifest) -> None:
    for told in manifest.tables:
        found = state_of(require_whole(lake / told.layer / told.stream))
        # An erasure has gone on with the table in the backup, and moves no position.
        if found.version < told.version or found.positions != told.positions:
            raise CheckFailed(
                f"{told.layer} of {told.stream} is at version {found.version}, {found.positions}; the backup was made "
                f"at version {told.version}, {told.positions}: it is damaged, use another one"
            )


def _fill_control(settings: Settings, manifest: Manifest, copy: Path, draft: Path) -> None:
    """Into the database that the environment says, or that the centre had; a store given by its URL stays that."""
    database = settings.database or manifest.database
    place = replace(settings, home=draft, database=database)
    place.database_file.write_text(f"{database}\n", encoding="ascii")
    is_own = settings.control_url == settings.own_control_url
    url = place.own_control_url if is_own else settings.control_url
    draft_copy = draft / f"{CONTROL}.copy"  # opening it writes to it, and a backup may be on a disk that is read only
    shutil.copyfile(copy, draft_copy)
    with _serving(place), opened(f"sqlite:///{draft_copy}") as source, opened(url) as target:
        copy_store(source, target)
    draft_copy.unlink()


@contextmanager
def _serving(place: Settings) -> Iterator[None]:
    """With the home's own PostgreSQL, where it has one."""
    if place.database != "postgresql":
        yield
        return
    postgresql.start(place)
    try:
        yield
    finally:
        postgresql.stop(place)
        shutil.rmtree(place.run)
