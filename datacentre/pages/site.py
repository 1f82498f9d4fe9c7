"""A folder of pages that changes as a whole: a reader finds all of the old ones or all of the new ones."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from datacentre.crash_points import reach
from datacentre.file_lock import locked


def replace_site(folder: Path, pages: Mapping[str, str]) -> None:
    """Put `pages`, text by file name, in the place of those at `folder`, which is a link to a folder beside it.

    Those before stay on disk until the next time, for whoever is just opening one. A call that was interrupted leaves
    the old pages; the next one clears away what it had written.
    """
    with locked(folder.parent / f"{folder.name}.lock"):
        before, draft = folder.resolve(), _beside(folder)
        draft.mkdir()
        for name, text in pages.items():
            (draft / name).write_text(text, encoding="utf-8")
            reach("page-written")
        _point(folder, draft)
        for old in folder.parent.glob(f"{folder.name}.*"):
            if old.is_dir() and old not in (draft, before):
                shutil.rmtree(old)


def _point(folder: Path, target: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():  # the home was copied by somebody who followed the link
        folder.rename(_beside(folder))
    link = folder.with_name(f"{folder.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(folder)


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.{uuid4().hex}")
