"""`backup`, `restore`: the whole centre into a folder, and back into an empty home."""

from pathlib import Path
from typing import Annotated

import typer

from datacentre.cli.console import err, one_line_errors, out, print_table
from datacentre.settings import from_environment


@one_line_errors
def backup(
    folder: Annotated[
        Path | None, typer.Argument(help="where backups are kept; DATACENTRE_BACKUPS, or the home's own, when absent")
    ] = None,
) -> None:
    """Back up control store, keys, lake and published marts, while the centre runs; old backups are deleted."""
    from datacentre.stages.backup import backup as make

    settings = from_environment()
    with err.status("backing up"):
        made = make(settings, folder and folder.resolve())
    out.print(f"backup {made}; it holds the vault and the keys: keep it where few can read it", markup=False)
    if made.stat().st_dev == settings.home.stat().st_dev:
        err.print("it is on the disk of the home, and shares its files: set DATACENTRE_BACKUPS to another disk")


@one_line_errors
def restore(
    folder: Annotated[Path, typer.Argument(help="one backup: backups/centre-<time>")],
) -> None:
    """Restore a backup into an empty home; refuses any other."""
    from datacentre.stages.restore import restore as bring_back

    settings = from_environment()
    with err.status("restoring"):
        manifest = bring_back(settings, folder.resolve())
    rows = [[t.stream, t.layer, t.version, sum(t.positions.values())] for t in manifest.tables]
    print_table(f"Restored as of {manifest.created_at}", ["stream", "layer", "version", "offsets"], rows)
    out.print("next: datacentre up; sinks go on from these offsets, the next build makes the marts anew")
