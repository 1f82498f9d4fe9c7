"""`python -m bench.releases`: what a release costs, first, unchanged, and after a few rows of change.

A consumer gets all columns of hospital visits but instants of the consultation: two of them tokens, two instants.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from datacentre.settings import REPOSITORY
from lake.marts import publish, work_file
from sharing.agreements.model import Agreement, MartGrant
from sharing.pseudonyms import rotate_scope
from sharing.releases.compile import Compiler
from sharing.releases.release import Release
from sharing.shared_marts import SharedMart, load_shared_marts

VISITS = "fct_hospital_visit"
COLUMNS = ("visit_id", "person_key", "department_code", "visit_type", "triage", "visit_date", "slot_date")
COLUMNS += ("arrived_at", "slot_at", "wait_minutes", "status", "is_walk_in", "is_no_show")
START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        home, marts = Path(folder), load_shared_marts(REPOSITORY / "dbt_project")
        compiler = Compiler(home, home / "marts", marts, {})
        publish_visits(home / "marts", marts[VISITS], rows)
        tell("first", rows, lambda: compiler.release(agreement(), START))
        tell("nothing new", rows, lambda: compiler.release(agreement(), START + timedelta(minutes=5)))
        publish_visits(home / "marts", marts[VISITS], rows + 1_000)
        tell("1,000 rows more", rows, lambda: compiler.release(agreement(), START + timedelta(minutes=10)))
        rotate_scope(home, "bench", "to measure it", has_crosswalk=True)
        tell("rotated, with a crosswalk", rows, lambda: compiler.release(agreement(), START + timedelta(minutes=15)))


def agreement() -> Agreement:
    return Agreement(
        id="bench-1",
        consumer="bench",
        title="Bench",
        legal_basis="none",
        valid_from=date(2026, 1, 1),
        expires=date(2026, 12, 31),
        pseudonym_scope="bench",
        purposes={"bench": "measure"},
        marts={VISITS: MartGrant(("bench",), COLUMNS)},
        streams={},
        lookups={},
    )


def publish_visits(folder: Path, mart: SharedMart, rows: int) -> None:
    """Visits of a patient each four; columns that aren't asked for are null."""
    values = {
        "visit_id": "'V-' || n",
        "person_key": "sha256((n // 4)::varchar)",
        "department_code": "'OPD-' || (n % 15)",
        "visit_type": "['new', 'follow_up', 'urgent'][1 + n % 3]",
        "triage": "1 + n % 5",
        "visit_date": "date '2024-01-01' + (n % 700)::integer",
        "slot_date": "date '2024-01-01' + (n % 700)::integer",
        "arrived_at": "timestamptz '2024-01-01 09:00:00Z' + to_microseconds(n * 60000001)",
        "slot_at": "timestamptz '2024-01-01 09:00:00Z' + to_minutes(10 * (n % 100000))",
        "wait_minutes": "(n % 997) / 7.0",
        "status": "'completed'",
        "is_walk_in": "n % 5 = 0",
        "is_no_show": "n % 11 = 0",
    }
    columns = ", ".join(f'({values.get(name, "null")})::{kind} as "{name}"' for name, kind in mart.columns.items())
    folder.mkdir(exist_ok=True)
    work_file(folder).unlink(missing_ok=True)
    with duckdb.connect(str(work_file(folder))) as connection:
        connection.execute("create schema marts; create schema lake")
        connection.execute(
            """create table lake.certified_range (stream varchar, certificate_id bigint, kafka_partition integer,
            start_offset bigint, next_offset bigint)"""
        )
        connection.execute(f"create table marts.{VISITS} as select {columns} from range({rows}) as given (n)")
    publish(folder)


def tell(what: str, rows: int, work: Callable[[], Release | None]) -> None:
    begun = time.monotonic()
    release = work()
    seconds = time.monotonic() - begun
    size = release.manifest["marts"][VISITS]["bytes"] / 1e6 if release else 0
    print(f"{what:26} {seconds:6.2f} s  {rows / seconds:12,.0f} rows/s  {size:6.1f} MB written")


if __name__ == "__main__":
    main()
