"""Compile an agreement to a release: the consumer's rows and columns of the published marts, and nothing else.

The release is written aside, put on the disk, renamed, and then pointed to. A mart whose rows are those of the release
before is the same file under one more name.
"""

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from datacentre.errors import AccessDenied, ContractError, SourceUnavailable
from datacentre.file_lock import locked_if_free
from datacentre.settings import Settings
from sharing.agreements.model import Agreement
from sharing.pseudonyms import load_scope, scope_file
from sharing.releases.draft import Draft
from sharing.releases.projection import Projection
from sharing.releases.published_marts import PublishedMarts, open_marts, synced
from sharing.releases.release import Release, last_release, point_to, read_release, releases_of
from sharing.shared_marts import SharedMart, load_shared_marts


@dataclass(frozen=True)
class Compiler:
    """`marts` are those of the yml files, `published` the folder of their versions; `origins` has what is known of a
    version beyond what it says itself, by its name."""

    home: Path
    published: Path
    marts: Mapping[str, SharedMart]
    origins: Mapping[str, Mapping[str, Any]]

    def release(self, agreement: Agreement, now: datetime) -> Release | None:
        """The new release, which is the current one then; None where it would say the same as the one before.

        Raises AccessDenied for an agreement that doesn't hold today, CheckFailed before the first build,
        SourceUnavailable while another process makes one for this consumer.
        """
        if not agreement.is_valid(now.date()):
            raise AccessDenied(f"{agreement.consumer}: agreement {agreement.id} doesn't hold on {now.date()}")
        place = releases_of(self.home, agreement.consumer)
        with _only_compiler(place) as aside, open_marts(self.published, aside / "spill") as published:
            draft = Draft(
                agreement=agreement,
                scope=load_scope(self.home, agreement.pseudonym_scope),
                projections={name: Projection(self.marts[name], g) for name, g in sorted(agreement.marts.items())},
                published=published,
                before=last_release(self.home, agreement.consumer),
            )
            _check_key(self.home, draft)
            terms = draft.terms()
            if draft.before is not None and not draft.is_new(terms):
                # A process may have ended between rename and pointer; or an agreement holds again that had ended.
                point_to(draft.before)
                return None
            manifest = {
                "number": draft.before.number + 1 if draft.before else 1,
                "created_at": now.isoformat(),
                **terms,
                "from": self._origin(published),
            }
            return _put(draft, manifest, aside / "release", place)

    def _origin(self, published: PublishedMarts) -> dict[str, Any]:
        last, offsets = published.certificates()
        known = self.origins.get(published.version, {})
        return {"marts_version": published.version, **known, "certificates_to": last, "offsets": offsets}


def compile_release(
    settings: Settings, agreement: Agreement, now: datetime, origins: Mapping[str, Mapping[str, Any]] | None = None
) -> Release | None:
    """`Compiler.release` for a centre's own marts and versions."""
    marts = load_shared_marts(settings.dbt_project)
    return Compiler(settings.home, settings.marts, marts, origins or {}).release(agreement, now)


def _check_key(home: Path, draft: Draft) -> None:
    """An older backup of the keys would quietly bring back tokens that a rotation has ended."""
    if draft.before is None or draft.before.manifest["pseudonym_scope"] != draft.scope.name:
        return
    key_id, created = draft.before.manifest["key_id"], draft.before.manifest["created_at"]
    is_known = any(key.id == key_id for key in draft.scope.keys)
    if not is_known and datetime.fromisoformat(draft.scope.keys[-1].since) < datetime.fromisoformat(created):
        raise ContractError(
            f"{scope_file(home, draft.scope.name)}: has no key {key_id}, with which release {draft.before.number} of"
            f" {draft.before.consumer} was made; restore the file, or rotate the key"
        )


@contextmanager
def _only_compiler(place: Path) -> Iterator[Path]:
    """A folder to work in, empty and gone afterwards, while no other process makes a release there."""
    aside = place / ".draft"
    with locked_if_free(place / ".lock") as is_free:
        if not is_free:
            raise SourceUnavailable(f"{place}: another release is being made; try again when it is done")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _put(draft: Draft, manifest: dict[str, Any], folder: Path, place: Path) -> Release:
    """Write the files, then their manifest; a folder has its name only once all of it is on the disk."""
    folder.mkdir()
    manifest["marts"] = {mart: draft.write(folder, mart, facts) for mart, facts in manifest["marts"].items()}
    manifest["crosswalk"] = draft.write_crosswalk(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    synced(folder / "manifest.json")
    synced(folder)
    # A restored centre may count again from where it was: another release has another name.
    final = folder.rename(place / f"{manifest['number']:06d}-{secrets.token_hex(4)}")
    synced(place)
    release = read_release(final, draft.agreement.consumer)
    point_to(release)
    return release
