"""`hold list`, `show`, `release`, `quarantine`, `recheck`: what an engineer does with increments that failed."""

from collections.abc import Callable
from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.console import one_line_errors, out, print_json, print_table
from datacentre.errors import CheckFailed, ContractError
from datacentre.settings import from_environment

if TYPE_CHECKING:
    import sqlalchemy as sa

    from datacentre.control.certificates import Certificate

app = typer.Typer(help="Increments that Great Expectations holds back: no mart has them before somebody decides.")
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]
Numbers = Annotated[list[int], typer.Argument(help="numbers of held increments, see `hold list`")]
Reason = Annotated[str, typer.Option(help="why; kept with the decision and your user name")]
_SHOWN_IDS = 20


@app.command("list")
@one_line_errors
def list_(
    stream: Annotated[str | None, typer.Argument(help="one stream key; all when absent")] = None, json: Json = False
) -> None:
    """What is held, the oldest first, and why."""
    from datacentre.contracts import choose, load_contracts
    from datacentre.control.certificates import held
    from datacentre.control.store import opened

    settings = from_environment()
    if stream is not None:
        choose(load_contracts(settings.schemas), [stream])
    with opened(settings.control_url) as store:
        found = held(store, stream)
    if json:
        print_json(list(found))
        return
    columns = ["number", "stream", "offsets", "held since (UTC)", "reason"]
    print_table("Held", columns, [[c.id, c.stream, str(c.range), f"{c.created_at:%F %T}", c.reason] for c in found])


@app.command()
@one_line_errors
def show(number: Annotated[int, typer.Argument(help="number of a held increment")], json: Json = False) -> None:
    """The expectations that a held increment did not meet, and which records failed them; never their values."""
    from datacentre.control.store import opened

    with opened(from_environment().control_url) as store:
        found = _held(store, number)
    if json:
        print_json(found)
        return
    out.print(f"{found.id}: {found.stream} {found.range}, held since {found.created_at:%F %T} UTC", highlight=False)
    for failing in found.failing:
        told = failing.note or f"{failing.unexpected_count} rows"
        out.print(f"{failing.severity}: {failing.expectation} ({told})", markup=False, highlight=False)
        if ids := failing.record_ids:
            more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
            out.print(f"  partition:offset {', '.join(ids[:_SHOWN_IDS])}{more}", markup=False, highlight=False)


@app.command()
@one_line_errors
def release(numbers: Numbers, reason: Reason) -> None:
    """Certify held increments as they are; the next build takes them up."""
    from datacentre.control.certificates import release as release_one

    _decide(numbers, reason, "certified as", release_one)


@app.command()
@one_line_errors
def quarantine(numbers: Numbers, reason: Reason) -> None:
    """Keep held increments out of the marts for good; their rows stay in the lake."""
    from datacentre.control.certificates import quarantine as quarantine_one

    _decide(numbers, reason, "kept out of the marts", quarantine_one)


@app.command()
@one_line_errors
def recheck(numbers: Numbers, reason: Reason) -> None:
    """Give held increments to the next check again, after the contract, a code list or the suite has changed."""
    from datacentre.control.certificates import recheck as recheck_one

    _decide(numbers, reason, "given to the next check", recheck_one)


def _decide(
    numbers: list[int], reason: str, done: str, decide: "Callable[[sa.Engine, int, str, str], int | None]"
) -> None:
    """Decide on each; nothing is decided when one of the numbers is not held."""
    from datacentre.control.store import opened
    from datacentre.stages.held import tell_held

    if not reason.strip():
        raise ContractError("--reason: say why; the next engineer reads it")
    settings = from_environment()
    with opened(settings.control_url) as store:
        chosen = [_held(store, number) for number in dict.fromkeys(numbers)]
        for found in chosen:
            new = decide(store, found.id, getuser(), reason)
            told = done if new is None else f"{done} {new}"
            out.print(f"{found.id}: {found.stream} {found.range} {told}", markup=False, highlight=False)
        for stream in sorted({found.stream for found in chosen}):
            tell_held(settings, store, stream)


def _held(store: "sa.Engine", number: int) -> "Certificate":
    from datacentre.control.certificates import held

    for found in held(store):
        if found.id == number:
            return found
    raise CheckFailed(f"increment {number} is not held; see: datacentre hold list")
