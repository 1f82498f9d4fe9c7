"""A release: what one consumer may read, as files that never change."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datacentre.errors import AccessDenied

_POINTER = "CURRENT"


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
    pointer = releases_of(home, consumer) / _POINTER
    if not pointer.exists():
        raise AccessDenied(f"{consumer}: nothing is released to this consumer")
    return read_release(pointer.parent / pointer.read_text(), consumer)


def read_release(folder: Path, consumer: str) -> Release:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    return Release(consumer, int(manifest["number"]), folder, manifest)


def point_to(release: Release) -> None:
    """Publish it: one rename."""
    pointer = release.folder.parent / _POINTER
    draft = pointer.with_suffix(".draft")
    draft.write_text(release.folder.name)
    draft.replace(pointer)
