"""How long a release's files stay: the newest few, and those that a reader may still be paging through."""

import shutil
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sharing.releases.release import Release, kept_releases, releases_of, withdrawn_at

_NEWEST = 3
_READING = timedelta(days=1)
_GONE = ".gone-"


def delete_old(home: Path, consumer: str, now: datetime) -> tuple[Release, ...]:
    """Delete what nobody needs any more; returns what was deleted.

    A release stays for a day after another took its place, so that a reader who is in it gets to its end. A day after
    an agreement ended all of its releases go.
    """
    releases = kept_releases(home, consumer)
    ended = withdrawn_at(home, consumer)
    if ended is not None:
        gone = releases if now - ended > _READING else ()
    else:
        followed = pairwise(releases)
        stays = releases[-_NEWEST:]
        gone = tuple(r for r, following in followed if r not in stays and now - _created(following) > _READING)
    for release in gone:
        # Nobody finds half of a release.
        release.folder.rename(release.folder.with_name(f"{_GONE}{release.folder.name}"))
    for folder in releases_of(home, consumer).glob(f"{_GONE}*"):
        shutil.rmtree(folder)
    return gone


def _created(release: Release) -> datetime:
    return datetime.fromisoformat(release.manifest["created_at"])
