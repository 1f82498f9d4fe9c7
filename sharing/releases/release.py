"""A release: what one consumer may read, as files that never change."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datacentre.errors import AccessDenied

POINTER = "CURRENT"
WITHDRAWN = "WITHDRAWN"
_MANIFEST = "manifest.json"
CROSSWALK = "crosswalk.parquet"


@dataclass(frozen=True)
class Release:
    """Version `number` of a consumer's rows and columns; `manifest` says what is in it and where it is from."""

    consumer: str
    number: int
    folder: Path
    manifest: dict[str, Any]

    @property
    def marts(self) -> tuple[str, ...]:
        return tuple(sorted(self.manifest["marts"]))

    def file(self, mart: str) -> Path:
        """The mart's Parquet file; raises AccessDenied where the release has none."""
        if mart not in self.manifest["marts"]:
            raise AccessDenied(f"{self.consumer}: release {self.number} has no {mart}; it has {', '.join(self.marts)}")
        return self.folder / f"{mart}.parquet"


def releases_of(home: Path, consumer: str) -> Path:
    return home / "releases" / consumer


def current_release(home: Path, consumer: str) -> Release:
    """The one that is published; who has opened its files keeps them after the next is. Raises AccessDenied where
    there is none."""
    pointer = releases_of(home, consumer) / POINTER
    try:
        folder = pointer.parent / pointer.read_text()
    except FileNotFoundError:
        raise AccessDenied(f"{consumer}: nothing is released to this consumer") from None
    return read_release(folder, consumer)


def kept_releases(home: Path, consumer: str) -> tuple[Release, ...]:
    """All whose files are still there, oldest first."""
    manifests = releases_of(home, consumer).glob(f"[0-9]*/{_MANIFEST}")
    return tuple(sorted((read_release(m.parent, consumer) for m in manifests), key=lambda release: release.number))


def last_release(home: Path, consumer: str) -> Release | None:
    """The newest, whether it is published or not."""
    return (None, *kept_releases(home, consumer))[-1]


def read_release(folder: Path, consumer: str) -> Release:
    manifest = json.loads((folder / _MANIFEST).read_bytes())
    return Release(consumer, int(manifest["number"]), folder, manifest)


def point_to(release: Release) -> None:
    """Publish it: one rename."""
    pointer = release.folder.parent / POINTER
    draft = pointer.with_suffix(".draft")
    with draft.open("w") as out:
        out.write(release.folder.name)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(pointer)
    (pointer.parent / WITHDRAWN).unlink(missing_ok=True)
