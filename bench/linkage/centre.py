"""`make bench-linkage`: patients of the simulated government without a number, or with a mistyped one, held against who
they are; and what an increment costs as the registry grows."""

import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import duckdb
import msgspec
import pyarrow as pa
import sqlalchemy as sa
import typer

from connectors.sources.simulation import DefectShares, generate
from connectors.sources.simulation.population import Person, Population
from connectors.sources.simulation.reference import read_reference
from datacentre.cli.console import one_line_errors, out, print_table
from datacentre.contracts import load_contracts
from datacentre.control.identity import Kind, events
from datacentre.control.identity_state import fold
from datacentre.control.store import opened
from datacentre.pseudonym import PseudonymKey, load_or_create
from datacentre.settings import from_environment
from registry.golden.mapping import load_mapping
from registry.golden.refresh import opened_work
from registry.golden.shelf import opened_shelf
from registry.golden.statements import ATTRIBUTES
from registry.identity.resolve import Resolved, Resolver

_SEED, _UNTIL = 11, datetime(2026, 11, 25, tzinfo=UTC)
_CARD, _VISIT = "dcrc__cid_issuance", "jdwnrh__hospital_visit"
_INCREMENT = 10_000

Row = dict[str, Any]


@dataclass
class Centre:
    """A registry of all citizens, that hospital records are added to without sink and marts."""

    home: Path
    work: duckdb.DuckDBPyConnection
    control: sa.Engine
    key: PseudonymKey
    offset: int = 0

    def add(self, rows: list[Row]) -> tuple[Resolved, float]:
        """One refresh; how it was resolved and the seconds that took, the shelf's filling left out."""
        settings = from_environment({})
        mapping = load_mapping(settings.schemas, load_contracts(settings.schemas))
        self._restate(rows)
        begun = time.monotonic()
        with opened_shelf(self.home, self.work) as shelf:
            resolver = Resolver(self.work, shelf, self.control, self.home, mapping, self.key)
            resolver.apply_decisions()
            done = resolver.match()
        seconds = time.monotonic() - begun
        with opened_shelf(self.home, self.work) as shelf:
            shelf.put("restated")
        return done, seconds

    def _restate(self, rows: list[Row]) -> None:
        for row in rows:
            row["kafka_offset"] = self.offset = self.offset + 1
        schema = self.work.execute("from statement limit 0").to_arrow_table().schema
        told = pa.Table.from_pylist(rows, schema=pa.schema([f.with_nullable(True) for f in schema]))
        self.work.register("told_rows", told)
        self.work.execute(
            """create or replace temp table restated as select * replace (hash(stream_key, record_key) as record_hash)
            from told_rows"""
        )
        self.work.unregister("told_rows")
        for statement in (
            "create or replace temp table touched_record as select distinct record_hash from restated",
            "create or replace temp table touched_person as select distinct resolved_key as person_key from restated",
            "insert into statement by name from restated",
            f"""insert into registered select distinct resolved_key from restated
            where stream_key = '{_CARD}' except from registered""",
        ):
            self.work.execute(statement)


@one_line_errors
def centre(
    citizens: Annotated[int, typer.Option(help="whom the registry knows")] = 20_000,
    records: Annotated[int, typer.Option(help="of all streams of the government")] = 1_000_000,
) -> None:
    """False links at the upper threshold, what is reviewed and what stays apart; increments at ten times the size."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    small, large = citizens, 10 * citizens
    seconds = {size: _measure(size, records if size == small else records // 10) for size in (small, large)}
    rows = [[f"{size:,}", f"{took:.2f}"] for size, took in seconds.items()]
    print_table(f"Linking of an increment of {_INCREMENT:,} records", ["registered", "seconds"], rows)


def _measure(citizens: int, records: int) -> float:
    people = Population(read_reference(from_environment({}).reference), _SEED, citizens).people
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        key = load_or_create(home, is_in_use=False)
        with opened_work(home) as work, opened(f"sqlite:///{home / 'control.sqlite'}") as control:
            registry = Centre(home, work, control, key)
            registry.add([_card(person, key) for person in people])
            visits = list(_visits(citizens, records, key))
            first, increment = visits[:-_INCREMENT], visits[-_INCREMENT:]
            done, took = registry.add(first)
            print(f"{citizens:,} registered, {len(first):,} records: {done}, {took:.1f} s", flush=True)
            _, seconds = registry.add(increment)
            _report(registry, people, visits, len(visits))
    return seconds


def _report(registry: Centre, people: list[Person], visits: list[Row], records: int) -> None:
    truth = {(p.birth_date, p.phone, _plain(p.full_name)): registry.key.pseudonym(p.cid) for p in people}
    told = {row["kafka_offset"]: row for row in visits}
    registered = set(truth.values())
    links = [e for e in events(registry.control, [Kind.LINKED]) if e.probability is not None]
    found: Counter[str] = Counter()
    for link in links:
        row = told[link.kafka_offset]
        right = truth.get((str(row["birth_date"]), row["phone"], _plain(row["full_name"] or "")))
        found["right" if right == link.person_key else "unknown" if right is None else "wrong"] += 1
    doubtful = [r for r in visits if r["full_name"] and r["person_key"] not in registered]
    reviews = events(registry.control, [Kind.REVIEW_OPENED])
    rows = [
        ["records", records, ""],
        ["of those without a number, or with one that nobody has", len(doubtful), f"{len(doubtful) / records:.2%}"],
        ["linked by weight", len(links), f"{len(links) / max(len(doubtful), 1):.1%} of those"],
        ["linked to somebody else", found["wrong"], ""],
        ["whose truth isn't told", found["unknown"], ""],
        ["cases to review", len(reviews), f"{len(reviews) / records:.3%} of records"],
        ["still open", len(fold(events(registry.control)).open_reviews), ""],
    ]
    print_table(f"{len(people):,} registered", ["", "count", ""], rows)
    out.print()


def _visits(citizens: int, records: int, key: PseudonymKey) -> Iterator[Row]:
    """The records of patients, as the sink and the registry would bring them to statements."""
    settings = from_environment({})
    contracts = load_contracts(settings.schemas)
    sent = generate(contracts, settings.reference, _SEED, records, _UNTIL, DefectShares(), 90, citizens)
    for record in sent:
        if record.stream == _VISIT and record.value is not None:
            said = msgspec.json.decode(record.value)
            if {"cid", "patient_name"} & said.keys():
                yield _visit(said, key)


def _visit(said: Row, key: PseudonymKey) -> Row:
    number = key.pseudonym(said["cid"]) if "cid" in said else None
    at = datetime.fromisoformat(said["event_time"]) if "T" in said["event_time"] else None
    row = _row(_VISIT, said["visit_id"], "patient", said["event_id"], number)
    row |= {"event_time": at, "event_date": date.fromisoformat(said["event_time"][:10]), "sex": said.get("sex")}
    born = said.get("birth_date")
    return row | {
        "full_name": said.get("patient_name"),
        "birth_date": date.fromisoformat(born) if born else None,
        "phone": said.get("phone"),
        "hospital_number": said.get("hospital_number"),
    }


def _card(person: Person, key: PseudonymKey) -> Row:
    row = _row(_CARD, f"C-{person.position}", "applicant", f"C-{person.position}", key.pseudonym(person.cid))
    return row | {
        "full_name": person.full_name,
        "birth_date": date.fromisoformat(person.birth_date),
        "sex": person.sex,
        "permanent_gewog_code": person.gewog_code,
        "village": person.village,
    }


def _row(stream: str, record: str, role: str, event: str, number: str | None) -> Row:
    return dict.fromkeys(ATTRIBUTES) | {
        "stream_key": stream,
        "kafka_partition": 0,
        "named_as": role,
        "list_position": 0,
        "certificate_id": 1,
        "record_key": record,
        "event_id": event,
        "source": "bench",
        "event_date": date(2020, 1, 1),
        "broker_time": _UNTIL,
        "person_key": number,
        "resolved_key": number,
        "is_confirmed": True,
        "is_amending": False,
        "is_by_case": False,
    }


def _plain(name: str) -> str:
    """One in three of the names without a number lacks its first h."""
    return name.replace("h", "")


if __name__ == "__main__":
    typer.run(centre)
