"""Small published marts, and releases made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from datacentre.settings import REPOSITORY
from lake.marts import publish, work_file
from sharing.agreements.model import Agreement, MartGrant
from sharing.releases.compile import Compiler
from sharing.releases.release import Release
from sharing.shared_marts import load_shared_marts

MARTS = load_shared_marts(REPOSITORY / "dbt_project")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VISITS, CASES, PERSONS = "fct_hospital_visit", "fct_service_case", "dim_person"
Row = Mapping[str, Any]


def visit(number: int, **values: Any) -> dict[str, Any]:
    """A visit at 9:30 and something, of one of seven patients."""
    minutes = timedelta(minutes=30, microseconds=number)
    return {
        "visit_id": f"V-{number}",
        "person_key": f"{number % 7:064x}",
        "department_code": ("OPD-GEN", "OPD-EYE", "EMG-ADU")[number % 3],
        "visit_type": "new",
        "visit_date": date(2026, 2, 1) + timedelta(days=number % 20),
        "arrived_at": datetime(2026, 2, 1, 9, tzinfo=UTC) + minutes,
        "wait_minutes": 12.345678,
        "certificate_id": number,
    } | values


@dataclass
class House:
    """A home with published marts; whatever a row doesn't say is null."""

    home: Path
    now: datetime = NOW
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def publish(self, **rows: Sequence[Row]) -> None:
        """A version with these rows, by mart; what other marts had they keep."""
        self.rows |= {mart: [dict(row) for row in given] for mart, given in rows.items()}
        folder = self.home / "marts"
        folder.mkdir(exist_ok=True)
        work_file(folder).unlink(missing_ok=True)
        with duckdb.connect(str(work_file(folder))) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("create schema marts; create schema lake")
            connection.execute(
                """create table lake.certified_range as select 'jdwnrh__hospital_visit' as stream,
                7::bigint as certificate_id, 0::integer as kafka_partition, 0::bigint as start_offset,
                40::bigint as next_offset"""
            )
            for mart in MARTS.values():
                columns = ", ".join(f'"{name}" {kind}' for name, kind in mart.columns.items())
                connection.execute(f"create table marts.{mart.name} ({columns})")
                marks = ", ".join("?" for _ in mart.columns)
                for row in self.rows.get(mart.name, []):
                    values = [row.get(name) for name in mart.columns]
                    connection.execute(f"insert into marts.{mart.name} values ({marks})", values)
        publish(folder)

    def compiler(self) -> Compiler:
        return Compiler(self.home, self.home / "marts", MARTS, {})

    def release(self, agreement: Agreement) -> Release | None:
        """Each call is a minute later."""
        self.now += timedelta(minutes=1)
        return self.compiler().release(agreement, self.now)


def agreement(consumer: str, marts: Mapping[str, MartGrant], **changes: Any) -> Agreement:
    said: dict[str, Any] = {
        "id": f"{consumer}-1",
        "consumer": consumer,
        "title": consumer,
        "legal_basis": "A clause",
        "valid_from": date(2026, 1, 1),
        "expires": date(2026, 12, 31),
        "pseudonym_scope": consumer,
        "purposes": {"trial": "Compare"},
        "marts": marts,
        "streams": {},
        "lookups": {},
    }
    return Agreement(**(said | changes))


def grant(*columns: str, row_filter: str | None = None) -> MartGrant:
    return MartGrant(("trial",), columns, row_filter)


def rows_of(release: Release | None, mart: str) -> list[dict[str, Any]]:
    assert release is not None
    return pq.read_table(release.file(mart)).to_pylist()
