"""A consumer's rows of a mart, and what the access log says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datacentre.errors import AccessDenied
from sharing.access_log.entry import Read
from sharing.agreements.model import MartGrant
from sharing.cursor import CursorSeal
from sharing.permission import Permission
from sharing.release_rows import ReleasedMart, RowPosition, release_at


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

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.stop == self.mart.rows


def read_mart(home: Path, seal: CursorSeal, permission: Permission, mart: str, asked: RowRequest) -> MartAnswer:
    """Raises AccessDenied (ReleaseGone where the cursor's release isn't kept any more) and InvalidCursor."""
    columns = _columns(permission, mart, permission.mart(mart), asked.columns)
    consumer = permission.consumer
    position = seal.open(asked.after, RowPosition, consumer, mart) if asked.after else None
    release = release_at(home, consumer, position)
    opened = ReleasedMart(release, mart, columns)
    start = position.row if position else 0
    stop = opened.rows if asked.limit is None else min(start + asked.limit, opened.rows)
    following = RowPosition(release.folder.name, stop)
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
    closed = seal.close(following, consumer, mart) if stop < opened.rows else ""
    return MartAnswer(opened, release.number, start, stop, closed, read)


def _columns(permission: Permission, mart: str, grant: MartGrant, wanted: Sequence[str]) -> tuple[str, ...]:
    denied = [name for name in wanted if name not in grant.columns]
    if denied:
        raise AccessDenied(
            f"{permission.consumer}: agreement {permission.agreement.id} doesn't give {', '.join(denied)[:200]} of"
            f" {mart}; it gives {', '.join(grant.columns)}"
        )
    return tuple(wanted) or grant.columns
