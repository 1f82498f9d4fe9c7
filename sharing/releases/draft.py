"""The files of a release, written one mart at a time beside what readers see."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sharing.agreements.model import Agreement
from sharing.pseudonyms import Scope
from sharing.releases.crosswalk import crosswalk_query
from sharing.releases.projection import Projection, hash_of
from sharing.releases.published_marts import PublishedMarts, digest
from sharing.releases.release import CROSSWALK, Release

_FACTS = ("content", "rules")


@dataclass(frozen=True)
class Draft:
    """What a release is made of: an agreement, its scope, a projection by mart, and the release `before`, if any."""

    agreement: Agreement
    scope: Scope
    projections: dict[str, Projection]
    published: PublishedMarts
    before: Release | None

    def terms(self) -> dict[str, Any]:
        """What makes a release another one; nothing is written for it."""
        return {
            "consumer": self.agreement.consumer,
            "agreement": {"id": self.agreement.id, "sha256": hash_of(self.agreement)},
            "pseudonym_scope": self.agreement.pseudonym_scope,
            "key_id": self.scope.key_id,
            "marts": {
                name: {"content": self.published.content(projection), "rules": projection.rules}
                for name, projection in self.projections.items()
            },
        }

    def is_new(self, terms: dict[str, Any]) -> bool:
        if self.before is None:
            return True
        manifest = self.before.manifest
        marts = {name: {fact: mart[fact] for fact in _FACTS} for name, mart in manifest["marts"].items()}
        return any(value != (marts if name == "marts" else manifest.get(name)) for name, value in terms.items())

    def write(self, folder: Path, mart: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Write the mart's file, or give the one of the release before another name; returns what the manifest says."""
        file, projection = folder / f"{mart}.parquet", self.projections[mart]
        said = self._unchanged(projection, facts)
        if said is not None and self.before is not None:
            os.link(self.before.file(mart), file)
            return said
        self.published.write(projection.query(), self.scope.key, file)
        return {
            **facts,
            "row_key": list(projection.row_key),
            "columns": list(projection.grant.columns),
            **_measured(file),
        }

    def write_crosswalk(self, folder: Path) -> dict[str, Any] | None:
        """Where the key is new and was made with a crosswalk: old and new token of what the consumer had and has."""
        if self.before is None or not self.scope.has_crosswalk:
            return None
        old_key = str(self.before.manifest["key_id"])
        if old_key == self.scope.key_id or old_key not in {key.id for key in self.scope.keys}:
            return None
        old = self.scope.under(old_key)
        file, query = folder / CROSSWALK, crosswalk_query(self.before, list(self.projections.values()), old)
        if query is None:
            return None
        self.published.write(query, self.scope.key, file)
        return {"from_key": old_key, **_measured(file)}

    def _unchanged(self, projection: Projection, facts: dict[str, Any]) -> dict[str, Any] | None:
        if self.before is None or projection.mart.name not in self.before.marts:
            return None
        manifest = self.before.manifest
        is_same_key = manifest["key_id"] == self.scope.key_id or not projection.tokens
        said: dict[str, Any] = manifest["marts"][projection.mart.name]
        return said if is_same_key and all(said[fact] == facts[fact] for fact in _FACTS) else None


def _measured(file: Path) -> dict[str, Any]:
    return {
        "rows": int(pq.read_metadata(file).num_rows),
        "bytes": file.stat().st_size,
        "sha256": digest(file),
    }
