"""Copy the log into a backup."""

import shutil
from pathlib import Path

from datacentre.file_lock import locked
from sharing.access_log.files import folder


def copy_log(home: Path, into: Path) -> None:
    """The folder as of one moment: a head that is newer than its entries would look like a log that was cut."""
    if folder(home).is_dir():
        with locked(folder(home) / "lock"):
            shutil.copytree(folder(home), folder(into))
