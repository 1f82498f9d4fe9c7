"""`lookup` and `who-read`: what the state knows of a person, and who was told."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.citizen import Cid, read_cid
from datacentre.cli.console import one_line_errors, print_json, print_table
from datacentre.cli.extract import Consumer, Purpose
from datacentre.settings import from_environment

if TYPE_CHECKING:
    from sharing.readers import Reading

Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of a table")]


@one_line_errors
def lookup(cid: Cid, consumer: Consumer, purpose: Purpose, json: Json = False) -> None:
    """Tell what an agreement gives of a person for a purpose, each value with source, date and confidence."""
    from sharing.access_log.log import AccessLog
    from sharing.counter import Counter
    from sharing.shelves import opened_shelves

    settings = from_environment()
    number = read_cid(cid)
    with opened_shelves(settings) as shelves:
        counter = Counter(shelves, AccessLog(settings.home), consumer, purpose)
        person_key = shelves.lookup.person_key(number)
        asked = counter.asked("lookup", "person", person_key)
        answer = counter.answered(asked, lambda allowed: shelves.lookup.answer(allowed, person_key))
    if json:
        print_json([asdict(known) for known in answer.attributes])
        return
    rows = [[k.attribute, k.value, k.source, k.date, k.confidence] for k in answer.attributes]
    print_table("", ["attribute", "value", "source", "date", "confidence"], rows)


@one_line_errors
def who_read(cid: Cid, json: Json = False) -> None:
    """List who looked a person up, and who was given rows that name her: consumer, purpose, when, which fields."""
    from sharing.readers import readings_of

    found = readings_of(from_environment(), read_cid(cid))
    if json:
        print_json(found)
        return
    print_readings(found)


def print_readings(found: "list[Reading]") -> None:
    columns = ["at", "consumer", "purpose", "what", "of", "fields", "refused", "certain"]
    rows = [
        [r.at, r.consumer, r.purpose, r.action, r.dataset, ", ".join(r.fields), r.is_refused, r.is_certain]
        for r in found
    ]
    print_table("Readings", columns, rows)
