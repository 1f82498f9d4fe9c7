"""Events of identity as rows for builds: what holds, what held before, and what has changed since an event."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from datacentre.control.identity import Event, Kind, append
from datacentre.control.store import opened
from lake.identity_rows import aliases, follow_identity

VISIT = "jdwnrh__hospital_visit"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as engine:
        yield engine


@pytest.fixture
def rows() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def placed(kind: Kind, offset: int, person: str) -> Event:
    return Event(kind, "linkage", "why", person, None, VISIT, 0, offset)


def merged(other: str, person: str) -> Event:
    return Event(Kind.MERGED, "tshering", "same card", person, other)


def links(rows: duckdb.DuckDBPyConnection, where: str = "replaced_by is null") -> list[tuple[Any, ...]]:
    return rows.execute(f"select kafka_offset, person_key from person_link where {where} order by all").fetchall()


def test_a_link_leads_to_whoever_is_left_of_the_person(rows: duckdb.DuckDBPyConnection, control: sa.Engine) -> None:
    append(control, [placed(Kind.FOUNDED, 1, "f"), placed(Kind.LINKED, 2, "a")])
    assert follow_identity(rows, control) == 2
    assert links(rows) == [(1, "f"), (2, "a")]
    append(control, [merged("f", "a"), merged("a", "b")])
    follow_identity(rows, control)
    assert links(rows) == [(1, "b"), (2, "b")]
    assert aliases(rows) == {"f": "b", "a": "b"}
    append(control, [Event(Kind.UNMERGED, "tshering", "no", about=3)])
    follow_identity(rows, control)
    assert links(rows) == [(1, "f"), (2, "b")]
    assert aliases(rows) == {"a": "b"}
    assert links(rows, "event_number > 4 or replaced_by > 4") == [(1, "b"), (1, "f")]
    append(control, [placed(Kind.SPLIT, 2, "s")])
    follow_identity(rows, control)
    assert links(rows) == [(1, "f"), (2, "s")]


def test_following_step_by_step_or_at_once_gives_the_same(rows: duckdb.DuckDBPyConnection, control: sa.Engine) -> None:
    told = [
        placed(Kind.FOUNDED, 1, "f"),
        merged("f", "a"),
        placed(Kind.LINKED, 2, "f"),
        merged("b", "f"),
        Event(Kind.UNMERGED, "pema", "no", about=2),
        placed(Kind.LINKED, 1, "b"),
    ]
    for event in told:
        append(control, [event])
        follow_identity(rows, control)
    with duckdb.connect() as anew:
        follow_identity(anew, control)
        assert links(anew) == links(rows) == [(1, "f"), (2, "f")]
        assert aliases(anew) == aliases(rows) == {"b": "f"}


def test_another_store_is_followed_from_its_start(
    rows: duckdb.DuckDBPyConnection, control: sa.Engine, tmp_path: Path
) -> None:
    append(control, [placed(Kind.FOUNDED, 1, "f"), merged("f", "a")])
    follow_identity(rows, control)
    with opened(f"sqlite:///{tmp_path / 'older.sqlite'}") as older:
        append(older, [placed(Kind.FOUNDED, 1, "f")])
        follow_identity(rows, older)
    assert links(rows) == [(1, "f")]
    assert aliases(rows) == {}
