"""Release to every consumer what its agreement gives it of the published marts, and end what holds no more."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import sqlalchemy as sa

from datacentre.contracts import load_contracts
from datacentre.control.outcomes import recent
from datacentre.control.store import opened
from datacentre.errors import AccessDenied, ContractError, DataCentreError
from datacentre.settings import Settings
from datacentre.stages.build import LAKE_VERSIONS
from datacentre.stages.outcome import Outcome, store
from lake.marts import published
from sharing.agreements import load_agreements
from sharing.agreements.model import Agreement
from sharing.pseudonyms import load_scope
from sharing.releases.compile import Compiler
from sharing.releases.projection import hash_of
from sharing.releases.release import Release, current_release
from sharing.releases.retention import keep_newest, withdraw
from sharing.shared_marts import load_shared_marts

PACE = timedelta(minutes=5)
"""Between two releases of one consumer under the same terms: each is kept for a day, and marts come by the second."""
_REMEMBERED_BUILDS = 20


def release(settings: Settings, consumers: Sequence[str] = (), pace: timedelta = timedelta()) -> list[Outcome]:
    """Make and publish the releases that would say something new, of all consumers or of those named.

    Under the terms of the one before, a consumer gets a release only `pace` after it.

    Who has no agreement that holds today loses what it had. Where one consumer's release fails, it keeps the one
    before, its outcome says why as `error`, and the others go on. Raises ContractError where an agreement is wrong or
    nobody has one of the names, CheckFailed before the first build.
    """
    published(settings.marts)
    agreements = load_agreements(settings.schemas, load_contracts(settings.schemas), settings.dbt_project)
    had = {folder.name for folder in (settings.home / "releases").glob("*") if folder.is_dir()}
    if unknown := sorted(set(consumers) - set(agreements) - had):
        raise ContractError(f"there is no agreement with {', '.join(unknown)}; there are {', '.join(agreements)}")
    with opened(settings.control_url) as control:
        marts = load_shared_marts(settings.dbt_project)
        work = _Work(settings, Compiler(settings.home, settings.marts, marts, _origins(control)), agreements, pace)
        outcomes = [work.outcome(consumer) for consumer in sorted(consumers or {*agreements, *had})]
        for outcome in outcomes:
            if outcome.detail:
                store(control, outcome)
    return outcomes


@dataclass(frozen=True)
class _Work:
    settings: Settings
    compiler: Compiler
    agreements: Mapping[str, Agreement]
    pace: timedelta

    def outcome(self, consumer: str) -> Outcome:
        """What came of one consumer; without detail where nothing is new."""
        started = time.monotonic()
        made, detail = None, dict[str, Any]()
        try:
            made, detail = self._release(consumer, datetime.now(UTC))
        except (DataCentreError, duckdb.Error, OSError) as problem:
            detail = {"error": _told(problem)}
        rows = sum(mart["rows"] for mart in made.manifest["marts"].values()) if made else 0
        interval = f"release {made.number}" if made else ""
        return Outcome("release", consumer, interval, rows, rows, 0, time.monotonic() - started, detail)

    def _release(self, consumer: str, now: datetime) -> tuple[Release | None, dict[str, Any]]:
        made, detail = None, dict[str, Any]()
        agreement = self.agreements.get(consumer)
        if agreement is None or not agreement.is_valid(now.date()):
            if withdraw(self.settings.home, consumer):
                detail["withdrawn"] = agreement.id if agreement else "no agreement"
        elif not self._is_too_soon(agreement, now) and (made := self.compiler.release(agreement, now)):
            detail |= {name: made.manifest[name] for name in ("number", "key_id")} | {"agreement": agreement.id}
        if deleted := keep_newest(self.settings.home, consumer, now):
            detail["deleted"] = list(deleted)
        return made, detail

    def _is_too_soon(self, agreement: Agreement, now: datetime) -> bool:
        """Never where the agreement or the key of its pseudonyms has changed."""
        try:
            before = current_release(self.settings.home, agreement.consumer).manifest
        except AccessDenied:
            return False
        terms = (hash_of(agreement), load_scope(self.settings.home, agreement.pseudonym_scope).key_id)
        is_same = terms == (before["agreement"]["sha256"], before["key_id"])
        return is_same and now - datetime.fromisoformat(before["created_at"]) < self.pace


def _told(problem: Exception) -> str:
    """DuckDB's own words may hold a value of somebody's row."""
    if isinstance(problem, duckdb.Error):
        return f"DuckDB: {type(problem).__name__}; try the agreement's row filters with datacentre query"
    return str(problem)


def _origins(control: sa.Engine) -> dict[str, dict[str, Any]]:
    """What the control store knows of the newest published versions, by their file's name."""
    builds = recent(control, "build", "marts", limit=_REMEMBERED_BUILDS)
    return {
        build.detail["published"]: {
            "built_at": build.ended_at.isoformat(),
            "lake_versions": build.detail.get(LAKE_VERSIONS, {}),
        }
        for build in reversed(builds)
    }
