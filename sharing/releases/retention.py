"""How long a release's files stay: the newest few, and those that a reader may still be paging through."""

import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sharing.releases.release import POINTER, WITHDRAWN, Release, kept_releases, releases_of

_NEWEST = 3
_READING = timedelta(days=1)
_GONE = ".gone-"


def withdraw(home: Path, consumer: str) -> bool:
    """Take the pointer away, so that nobody gets a page of any of the consumer's releases; False where there is
    none."""
    place = releases_of(home, consumer)
    try:
        (place / POINTER).rename(place / WITHDRAWN)
    except FileNotFoundError:
        return False
    (place / WITHDRAWN).touch()
    return True


def keep_newest(home: Path, consumer: str, now: datetime) -> tuple[int, ...]:
    """Delete what nobody needs any more; returns the numbers of what was deleted.

    A release stays for a day after another took its place, so that a reader who is in it gets to its end. A day after
    they were withdrawn all of them go.
    """
    releases, ended = kept_releases(home, consumer), _withdrawn_at(home, consumer)
    if ended is not None:
        gone = releases if now - ended > _READING else ()
    else:
        stays = releases[-_NEWEST:]
        followed = pairwise(releases)
        gone = tuple(r for r, following in followed if r not in stays and now - _created(following) > _READING)
    for release in gone:
        # Nobody finds half of a release.
        release.folder.rename(release.folder.with_name(f"{_GONE}{release.folder.name}"))
    for folder in releases_of(home, consumer).glob(f"{_GONE}*"):
        shutil.rmtree(folder)
    return tuple(release.number for release in gone)


def _withdrawn_at(home: Path, consumer: str) -> datetime | None:
    try:
        changed = (releases_of(home, consumer) / WITHDRAWN).stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(changed, UTC)


def _created(release: Release) -> datetime:
    return datetime.fromisoformat(release.manifest["created_at"])
