"""`python -m bench.linkage.simulated`: patients of the simulated government whose number is missing or mistyped."""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from bench.growth.history import GrowingLake
from bench.linkage.country import Country
from bench.linkage.quality import calibration
from connectors.sources.simulation import OutgoingRecord
from datacentre.cli.console import one_line_errors, print_table
from datacentre.control.identity import Event, Kind, events
from datacentre.control.store import opened
from datacentre.pseudonym import load_or_create
from datacentre.settings import REPOSITORY, Settings
from datacentre.stages.registry import build_registry
from registry.golden.statements import work_file

_FILE = REPOSITORY / "docs" / "bench" / "linkage.json"
_VISITS = "jdwnrh__hospital_visit"
_ROUND = 20_000
_MORE = 15
_CALIBRATED = ("said", "pairs", "said on average", "true")
Place = tuple[int, int]


@dataclass(frozen=True)
class Found:
    """After a refresh: how many records it has seen so far, and what became of the visits.

    `doubtful` visits have a record without the patient's number, `right` of them are held to be hers, who is
    registered. `elsewhere` are those of all visits that have a record that is held to be of somebody else who is
    registered: numbers mistyped into hers. `linked` pairs come of the match alone, without anybody's review.
    """

    records: int
    seconds: float
    doubtful: int
    right: int
    elsewhere: int
    linked: int
    linked_wrong: int
    reviews: int


@one_line_errors
def simulated(
    citizens: Annotated[int, typer.Option(min=1_000)] = 60_000,
    home: Annotated[Path, typer.Option(help="emptied first; takes 1 GB")] = Path("var/linkage-bench"),
) -> None:
    """Links at the upper threshold that are wrong, and the share of records that somebody must review.

    The first refresh sees all records of a year, and says what share of them is to be reviewed; the second one sees
    doubtful visits only, as many as are needed to have ten thousand links to look at.
    """
    logging.getLogger("splink").setLevel(logging.ERROR)
    lake = GrowingLake(home.resolve())
    country = Country(lake.settings, citizens)
    a_year = _refreshed(lake, country, list(country.events("A", citizens, citizens)), 0)
    more = list(country.doubtful_visits("B", citizens * _MORE))
    found = {"a year of records": a_year, "and doubtful visits": _refreshed(lake, country, more, a_year.records)}
    rows = [[name, *asdict(state).values()] for name, state in found.items()]
    print_table(f"{citizens:,} citizens", ["after", *asdict(a_year)], rows)
    calibrated = _calibration(lake.settings, country)
    print_table("Match probability", list(_CALIBRATED), calibrated)
    _keep(citizens, found, calibrated)


def _refreshed(lake: GrowingLake, country: Country, records: Sequence[OutgoingRecord], before: int) -> Found:
    lake.grow(records, _ROUND)
    begun = time.monotonic()
    build_registry(lake.settings, is_anew=False)
    return _found(lake.settings, country, before + len(records), round(time.monotonic() - begun, 1))


def _keep(citizens: int, found: dict[str, Found], calibrated: list[list[object]]) -> None:
    year = found["a year of records"]
    document = {
        "taken": datetime.now(UTC).isoformat(timespec="minutes"),
        "citizens": citizens,
        "review_share": round(year.reviews / year.records, 5),
        **{name.replace(" ", "_"): asdict(state) for name, state in found.items()},
        "calibration": [dict(zip(_CALIBRATED, row, strict=True)) for row in calibrated],
    }
    _FILE.write_text(json.dumps(document, indent=1) + "\n")


def _found(settings: Settings, country: Country, records: int, seconds: float) -> Found:
    key = load_or_create(settings.home, is_in_use=True)
    truth = {visit: key.pseudonym(person.cid) for visit, person in country.patients.items()}
    with duckdb.connect(str(work_file(settings.home)), read_only=True) as connection:
        of_visit = connection.execute(
            f"select record_key, resolved_key, resolved_key in (select person_key from registered)"
            f" from statement where stream_key = '{_VISITS}' group by all"
        ).fetchall()
    said = {(visit, person) for visit, person, is_registered in of_visit if is_registered}
    with opened(settings.control_url) as control:
        told = events(control, [Kind.LINKED, Kind.REVIEW_OPENED])
    visits = _visits(settings)
    links = {(visits[_place(e)], e.person_key) for e in told if e.kind is Kind.LINKED and e.probability is not None}
    return Found(
        records=records,
        seconds=seconds,
        doubtful=len(country.doubtful & {visit for visit, _, _ in of_visit}),
        right=sum((visit, truth[visit]) in said for visit in country.doubtful),
        elsewhere=len({visit for visit, person in said if truth[visit] != person}),
        linked=len(links),
        linked_wrong=sum(truth[visit] != person for visit, person in links),
        reviews=sum(event.kind is Kind.REVIEW_OPENED for event in told),
    )


def _visits(settings: Settings) -> dict[Place, str]:
    with duckdb.connect(str(work_file(settings.home)), read_only=True) as connection:
        rows = connection.execute(
            f"select kafka_partition, kafka_offset, record_key from statement where stream_key = '{_VISITS}'"
        ).fetchall()
    return {(partition, offset): visit for partition, offset, visit in rows}


def _place(event: Event) -> Place:
    assert event.kafka_partition is not None and event.kafka_offset is not None
    return event.kafka_partition, event.kafka_offset


def _calibration(settings: Settings, country: Country) -> list[list[object]]:
    """Of the pairs that were linked or given to a review."""
    key, visits = load_or_create(settings.home, is_in_use=True), _visits(settings)
    truth = {key.pseudonym(person.cid): person.cid for person in country.patients.values()}
    truth |= {visit: person.cid for visit, person in country.patients.items()}
    with opened(settings.control_url) as control:
        told = events(control, [Kind.LINKED, Kind.REVIEW_OPENED])
    pairs = {pair for event in told for pair in _pairs(event, visits)}
    return calibration([pair for pair in pairs if pair[1] in truth], truth)


def _pairs(event: Event, visits: dict[Place, str]) -> Iterator[tuple[str, str, float]]:
    visit = visits[_place(event)]
    if event.kind is Kind.REVIEW_OPENED:
        yield from ((visit, person, probability) for person, probability in event.candidates if probability)
    elif event.probability is not None and event.person_key is not None:
        yield visit, event.person_key, event.probability


if __name__ == "__main__":
    typer.run(simulated)
