"""A consumer's rows of a mart, and what the access log says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datacentre.errors import AccessDenied, SourceUnavailable
from sharing.access_log.entry import Read
from sharing.agreements.model import MartGrant
from sharing.cursor import CursorSeal
from sharing.permission import Permission
from sharing.release_rows import ReleasedMart, ReleaseGone, RowPosition, release_at
from sharing.releases.projection import Projection
from sharing.releases.release import Release, current_release
from sharing.shared_marts import load_shared_marts


@dataclass(frozen=True)
class RowRequest:
    """`columns` all that the agreement gives where none is named; `limit` all rows where there is none; `after` the
    cursor of the page before."""

    columns: tuple[str, ...] = ()
    limit: int | None = None
    after: str = ""


@dataclass(frozen=True)
class MartAnswer:
    """Rows `[start, stop)` of an opened file; `following` is the cursor of the next page, empty on the last one."""

    mart: ReleasedMart
    release: int
    start: int
    stop: int
    following: str
    read: Read


@dataclass(frozen=True)
class MartReader:
    """Reads releases of one home; `dbt_project` says how each mart's columns leave."""

    home: Path
    dbt_project: Path
    seal: CursorSeal

    def read(self, permission: Permission, mart: str, asked: RowRequest) -> MartAnswer:
        """Raises AccessDenied, ReleaseGone where the cursor's release isn't kept any more, InvalidCursor, and
        SourceUnavailable where nothing is released yet under the agreement as it is now."""
        grant, consumer = permission.mart(mart), permission.consumer
        columns = _columns(permission, mart, grant, asked.columns)
        position = self.seal.open(asked.after, RowPosition, consumer, mart) if asked.after else None
        release = release_at(self.home, consumer, position)
        opened = ReleasedMart(release, mart, columns)
        self._require_same_rules(release, mart, grant)
        start = position.row if position else 0
        stop = opened.rows if asked.limit is None else min(start + asked.limit, opened.rows)
        following = self.seal.close(RowPosition(release.folder.name, stop), consumer, mart)
        read = Read(
            consumer=consumer,
            key_id=permission.key_id,
            purpose=permission.purpose,
            action="rows",
            dataset=mart,
            version=release.folder.name,
            fields=tuple(opened.schema.names),
            rows=max(stop - start, 0),
            part=f"rows {start}..{stop}",
        )
        return MartAnswer(opened, release.number, start, stop, following if stop < opened.rows else "", read)

    def _require_same_rules(self, release: Release, mart: str, grant: MartGrant) -> None:
        """What an agreement gives no more isn't read from a release of before."""
        rules = Projection(load_shared_marts(self.dbt_project)[mart], grant).rules
        if release.manifest["marts"][mart]["rules"] == rules:
            return
        if release.folder != current_release(self.home, release.consumer).folder:
            raise ReleaseGone(f"{release.consumer}: what is given of {mart} has changed; begin again without `after`")
        raise SourceUnavailable(
            f"{release.consumer}: {mart} isn't released yet under the agreement as it is now; ask again in some minutes"
        )


def _columns(permission: Permission, mart: str, grant: MartGrant, wanted: Sequence[str]) -> tuple[str, ...]:
    denied = [name for name in wanted if name not in grant.columns]
    if denied:
        raise AccessDenied(
            f"{permission.consumer}: agreement {permission.agreement.id} doesn't give {', '.join(denied)[:200]} of"
            f" {mart}; it gives {', '.join(grant.columns)}"
        )
    return tuple(wanted) or grant.columns
