"""`registry build`, `show`, `conflicts`, `household`: what the state knows of a person, for those who may know."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli import registry_review
from datacentre.cli.citizen import Cid, asked_pseudonym
from datacentre.cli.console import err, one_line_errors, out, print_json, print_table
from datacentre.errors import ContractError
from datacentre.settings import Settings, from_environment

if TYPE_CHECKING:
    from registry.golden.person import Origin, Person
    from registry.golden.store import GoldenStore

app = typer.Typer(help="Golden records: what is believed of each person, from which event, and why. Restricted zone.")
app.add_typer(registry_review.app)
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]


@app.command()
@one_line_errors
def build(
    anew: Annotated[bool, typer.Option("--anew", help="make everything from the lake")] = False, json: Json = False
) -> None:
    """Bring the registry to what is certified; every build of the marts does that too."""
    from datacentre.stages.registry import build_registry

    with err.status("reading what is certified"):
        outcome = build_registry(from_environment(), anew)
    if json:
        print_json(outcome)
        return
    told = f"{outcome.rows_in} rows looked at, {outcome.rows_out} golden records written"
    out.print(f"{told} in {outcome.seconds:.1f} s", highlight=False)


@app.command()
@one_line_errors
def show(cid: Cid, json: Json = False) -> None:
    """One person: each value, whence, since when it is known, and why it was taken before others."""
    settings = from_environment()
    with _store(settings) as store:
        person = _asked(settings, store, cid)
    if json:
        print_json(person)
        return
    _print_values(person)
    if person.conflicts:
        _print_conflicts([person])


@app.command()
@one_line_errors
def conflicts(json: Json = False) -> None:
    """Persons of whom confirmed records say what can't both be so; by pseudonym."""
    with _store(from_environment()) as store:
        found = list(store.conflicted())
    if json:
        print_json([{"person_key": person.person_key, "conflicts": person.conflicts} for person in found])
        return
    _print_conflicts(found)


@app.command()
@one_line_errors
def household(cid: Cid, json: Json = False) -> None:
    """The household that a person is registered in: its number, its members by pseudonym, since when."""
    settings = from_environment()
    with _store(settings) as store:
        person = _asked(settings, store, cid)
        members = store.household(person.household_key) if person.household_key else ()
    if json:
        print_json(list(members))
        return
    title = f"Household {members[0].number}" if members else "No transfer has named a household"
    print_table(title, ["person", "since"], [[m.person_key, m.since] for m in members])


@contextmanager
def _store(settings: Settings) -> "Iterator[GoldenStore]":
    from registry.golden.store import golden_file, reading

    if not golden_file(settings.home).exists():
        raise ContractError("there is no registry yet; run: datacentre registry build")
    with reading(settings.home) as store:
        yield store


def _asked(settings: Settings, store: "GoldenStore", cid: str) -> "Person":
    person = store.find(asked_pseudonym(settings, cid))
    if person is None:
        raise ContractError("the registry doesn't know this number: no confirmed record of civil registration names it")
    return person


def _print_values(person: "Person") -> None:
    rows = [
        [name, a.value, a.confidence, _event(a.origin), f"{a.origin.known_at:%F %T}", a.because]
        for name, a in person.attributes.items()
    ]
    print_table(person.person_key, ["attribute", "value", "confidence", "from", "known since (UTC)", "because"], rows)


def _print_conflicts(persons: "list[Person]") -> None:
    rows = [[p.person_key, c.attribute, c.taken, c.other, _event(c.other_origin)] for p in persons for c in p.conflicts]
    print_table("Conflicts", ["person", "attribute", "taken", "other", "said by"], rows)


def _event(origin: "Origin") -> str:
    return f"{origin.stream} {origin.event_id} of {origin.event_date}"
