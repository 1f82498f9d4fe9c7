"""What a consumer has for a purpose, and nothing of what others have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from datacentre import names
from datacentre.contracts import Contract
from datacentre.control.coverage import coverage
from datacentre.control.freshness import newest_freshness
from datacentre.errors import AccessDenied
from sharing.access_log.entry import Read
from sharing.forms import Form
from sharing.mart_docs import MartDoc
from sharing.permission import Permission
from sharing.release_rows import ReleasedMart
from sharing.releases.release import Release, current_release


@dataclass(frozen=True)
class Catalogue:
    """Built from what documents marts and streams, and from what is measured of them now."""

    home: Path
    control: sa.Engine
    contracts: Mapping[str, Contract]
    marts: Mapping[str, MartDoc]
    forms: Mapping[str, Form]

    def of(self, permission: Permission) -> tuple[dict[str, Any], Read]:
        """Marts with their release and rows, streams with how fresh and how well certified they are, forms and
        attributes of lookups."""
        agreement = permission.agreement
        try:
            release: Release | None = current_release(self.home, permission.consumer)
        except AccessDenied:
            release = None
        document = {
            "consumer": permission.consumer,
            "agreement": {"id": agreement.id, "title": agreement.title, "expires": agreement.expires},
            "purpose": {"code": permission.purpose, "means": agreement.purposes[permission.purpose]},
            "marts": [self._mart(permission, name, release) for name in permission.marts()],
            "streams": self._streams(permission),
            "lookups": list(agreement.lookups.get(permission.purpose, ())),
            "forms": [
                {"form": form.id, "title": form.title}
                for form in self.forms.values()
                if form.consumer == permission.consumer
            ],
        }
        read = Read(permission.consumer, permission.key_id, permission.purpose, "catalogue", "", agreement.id)
        return document, read

    def _mart(self, permission: Permission, name: str, release: Release | None) -> dict[str, Any]:
        doc, columns = self.marts.get(name, MartDoc(name, "", "", {})), permission.mart(name).columns
        return {
            "mart": name,
            "description": doc.description,
            "owner": self._owner(doc.group),
            "columns": [_column(column, *doc.columns.get(column, ("", ""))) for column in columns],
            "rows": f"/v1/marts/{name}/rows",
            "release": None if release is None or name not in release.marts else _released(release, name),
        }

    def _owner(self, group: str) -> str:
        """The agency's name, as the contracts of its streams have it."""
        return next((c.agency for c in self.contracts.values() if names.agency(c.key) == group), group)

    def _streams(self, permission: Permission) -> list[dict[str, Any]]:
        streams = permission.streams()
        if not streams:
            return []
        covered, fresh = coverage(self.control), newest_freshness(self.control)
        return [
            self._stream(permission, name)
            | {
                "freshness": {
                    "promised_seconds": self.contracts[name].freshness_seconds,
                    "measured_p95_seconds": fresh[name].produced_p95 if name in fresh else None,
                    "measured_at": fresh[name].published_at if name in fresh else None,
                },
                "quality": {
                    "certified_offsets": covered[name].certified if name in covered else 0,
                    "held_offsets": covered[name].held if name in covered else 0,
                },
            }
            for name in streams
        ]

    def _stream(self, permission: Permission, name: str) -> dict[str, Any]:
        contract, grant = self.contracts[name], permission.stream(name)
        meanings = {f.name: (f.type, f.description) for f in contract.fields}
        meanings |= {
            f.pseudonym_column: ("string", f"Token in place of: {f.description}")
            for f in contract.pseudonymised
            if f.pseudonym_column
        }
        return {
            "stream": name,
            "description": contract.title,
            "owner": contract.owner,
            "edge": grant.edge,
            "columns": [_column(column, *meanings.get(column, ("", ""))) for column in grant.columns],
            "extract": f"/v1/streams/{name}/extract",
        }


def _column(name: str, kind: str, meaning: str) -> dict[str, str]:
    return {"name": name, "type": kind, "means": meaning}


def _released(release: Release, mart: str) -> dict[str, Any]:
    created = release.manifest.get("created_at")
    return {
        "number": release.number,
        "rows": ReleasedMart(release, mart, ()).rows,
        "created_at": str(created) if created else None,
        "age_seconds": _age(str(created)) if created else None,
    }


def _age(created: str) -> float | None:
    at = datetime.fromisoformat(created)
    return round((datetime.now(at.tzinfo) - at).total_seconds(), 1)
