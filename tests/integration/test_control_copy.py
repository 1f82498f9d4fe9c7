"""A control store is copied whole, from and to either database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from datacentre.control.copy import copy_store
from datacentre.control.store import opened, writing
from datacentre.control.tables import metadata
from datacentre.errors import CheckFailed

_AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
_EXAMPLES = {sa.Integer: 1, sa.Float: 0.5, sa.String: "passed", sa.JSON: {"a": [1, "ད"]}, sa.Boolean: True}
Rows = dict[str, list[tuple[Any, ...]]]


def example(column: sa.Column[Any]) -> Any:
    if column.name == "next_offset":
        return 2
    return next((value for kind, value in _EXAMPLES.items() if isinstance(column.type, kind)), _AT)


def fill(engine: sa.Engine) -> None:
    """One row per table, with every column."""
    with writing(engine) as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.insert().values({c.name: example(c) for c in table.columns}))


def rows(engine: sa.Engine) -> Rows:
    with engine.connect() as connection:
        return {t.name: [tuple(r) for r in connection.execute(sa.select(t))] for t in metadata.sorted_tables}


def test_every_row_comes_through_both_databases_and_numbers_go_on(tmp_path: Path, database: sa.Engine) -> None:
    url = database.url.render_as_string(hide_password=False)
    first, last = (f"sqlite:///{tmp_path / name}" for name in ("first.sqlite", "last.sqlite"))
    with opened(first) as given, opened(url) as middle, opened(last) as got:
        fill(given)
        assert copy_store(given, middle) == copy_store(middle, got) == len(metadata.sorted_tables)
        assert rows(given) == rows(middle) == rows(got)
        for copied in (middle, got):
            table = metadata.tables["erasure_request"]
            values = {c.name: example(c) for c in table.columns if c.name != "id"}
            with writing(copied) as connection:
                assert connection.execute(table.insert().values(values)).inserted_primary_key == (2,)


def test_a_store_that_holds_anything_is_not_written_to(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path / 'a'}") as given, opened(f"sqlite:///{tmp_path / 'b'}") as taken:
        fill(given)
        fill(taken)
        with pytest.raises(CheckFailed, match="isn't empty"):
            copy_store(given, taken)
