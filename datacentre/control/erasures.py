"""Requests for erasure, and what was certified of them. Persons stand here by pseudonym only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from datacentre.control.store import number_of, writing
from datacentre.control.tables import erasure, erasure_request
from datacentre.errors import CheckFailed


@dataclass(frozen=True)
class Request:
    """One row of the store."""

    id: int
    person_key: str
    pseudonym_key_id: str
    reason: str
    authority: str
    requested_by: str
    requested_at: datetime


def add_request(
    engine: sa.Engine, person_key: str, pseudonym_key_id: str, reason: str, authority: str, who: str
) -> int:
    """Returns the number of the request."""
    values = {
        "person_key": person_key,
        "pseudonym_key_id": pseudonym_key_id,
        "reason": reason,
        "authority": authority,
        "requested_by": who,
        "requested_at": datetime.now(UTC),
    }
    with writing(engine) as connection:
        return number_of(connection.execute(erasure_request.insert().values(values)))


def load_request(engine: sa.Engine, number: int) -> Request:
    """Raises CheckFailed when there is none of this number."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(erasure_request).where(erasure_request.c.id == number)).mappings().first()
    if row is None:
        raise CheckFailed(f"there is no erasure request {number}; make one with: datacentre erase request --cid -")
    return Request(**row)


def record_erasure(
    engine: sa.Engine, request: Request, who: str, at: datetime, counts: Mapping[str, Any], certificate_sha256: str
) -> None:
    values = {
        "request": request.id,
        "person_key": request.person_key,
        "reason": request.reason,
        "authority": request.authority,
        "done_by": who,
        "done_at": at,
        "counts": dict(counts),
        "certificate_sha256": certificate_sha256,
    }
    with writing(engine) as connection:
        connection.execute(erasure.insert().values(values))
