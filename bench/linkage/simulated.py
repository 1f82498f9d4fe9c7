"""`python -m bench.linkage.simulated`: patients of the simulated government whose number is missing or mistyped."""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from bench.growth.history import GrowingLake
from bench.linkage.country import Country
from bench.linkage.quality import calibration
from datacentre.cli.console import one_line_errors, out, print_table
from datacentre.control.identity import Event, Kind, events
from datacentre.control.store import opened
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from datacentre.stages.registry import build_registry
from registry.golden.statements import work_file

_VISITS = "jdwnrh__hospital_visit"
_ROUND = 20_000
Place = tuple[int, int]


@dataclass(frozen=True)
class Found:
    """`wrong` are the visits that are held to be of a registered person who isn't the patient."""

    records: int
    linked: int
    linked_wrong: int
    reviews: int
    doubtful: int
    right: int
    wrong: int


@one_line_errors
def simulated(
    citizens: Annotated[int, typer.Option(min=1_000)] = 60_000,
    home: Annotated[Path, typer.Option(help="emptied first; takes 1 GB")] = Path("var/linkage-bench"),
) -> None:
    """Links at the upper threshold that are wrong, and the share of records that somebody must review.

    The first refresh sees all records of a year, and says what a review costs; the second one sees doubtful visits
    only, as many as are needed to have ten thousand links to look at.
    """
    logging.getLogger("splink").setLevel(logging.ERROR)
    lake = GrowingLake(home.resolve())
    country = Country(lake.settings, citizens)
    title = f"{citizens:,} citizens"
    rows = []
    for name, records in (
        ("a year of records", list(country.events("A", citizens, citizens))),
        ("and doubtful visits", list(country.doubtful_visits("B", citizens * 10))),
    ):
        lake.grow(records, _ROUND)
        begun = time.monotonic()
        build_registry(lake.settings, is_anew=False)
        seconds = time.monotonic() - begun
        found = _found(lake.settings, country, len(records))
        rows.append(_row(name, found, seconds))
        out.print(rows[-1])
    print_table(title, ["after", "records", "s", "doubtful", "right", "wrong", "links", "wrong", "reviews"], rows)
    print_table("Match probability", ["said", "pairs", "said on average", "true"], _calibration(lake.settings, country))


def _row(name: str, found: Found, seconds: float) -> list[object]:
    return [
        name,
        found.records,
        round(seconds),
        found.doubtful,
        found.right,
        found.wrong,
        found.linked,
        found.linked_wrong,
        found.reviews,
    ]


def _found(settings: Settings, country: Country, records: int) -> Found:
    key = load_or_create(settings.home, is_in_use=True)
    truth = {visit: key.pseudonym(person.cid) for visit, person in country.patients.items()}
    with duckdb.connect(str(work_file(settings.home)), read_only=True) as connection:
        of_visit = connection.execute(
            f"select record_key, resolved_key, resolved_key in (select person_key from registered)"
            f" from statement where stream_key = '{_VISITS}' group by all"
        ).fetchall()
    said = {(visit, person) for visit, person, is_registered in of_visit if is_registered}
    wrong = [(visit, person) for visit, person in said if truth[visit] != person]
    with opened(settings.control_url) as control:
        told = events(control, [Kind.LINKED, Kind.REVIEW_OPENED])
    visits = _visits(settings)
    links = {(visits[_place(e)], e.person_key) for e in told if e.kind is Kind.LINKED and e.probability is not None}
    kinds = Counter(event.kind for event in told)
    return Found(
        records,
        len(links),
        sum(truth[visit] != person for visit, person in links),
        kinds[Kind.REVIEW_OPENED],
        len(country.doubtful),
        sum((visit, truth[visit]) in said for visit in country.doubtful),
        len(wrong),
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
