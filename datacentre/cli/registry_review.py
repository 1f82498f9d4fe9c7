"""`registry review list`, `show`, `decide`; `registry merge`, `unmerge`, `split`, `events`, `train`: who is who."""

from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.console import one_line_errors, out, print_json, print_table
from datacentre.errors import ContractError
from datacentre.settings import from_environment

if TYPE_CHECKING:
    from datacentre.control.identity import Event

review = typer.Typer(help="Records that may be somebody's whom the registry knows: somebody decides. Restricted zone.")
app = typer.Typer()
app.add_typer(review, name="review")
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]
Number = Annotated[int, typer.Argument(help="number of an open review, see `registry review list`")]
Reason = Annotated[str, typer.Option(help="why; kept with the decision and your user name")]
Key = Annotated[str, typer.Argument(help="pseudonym of a person, 64 hexadecimal digits")]


@review.command("list")
@one_line_errors
def list_(json: Json = False) -> None:
    """What waits for a decision, the oldest first; by pseudonym."""
    from datacentre.control.store import opened
    from datacentre.stages.identity import open_reviews

    with opened(from_environment().control_url) as control:
        found = open_reviews(control)
    if json:
        print_json([_row(event) for event in found])
        return
    rows = [[e.number, f"{e.at:%F %T}", _place(e), e.reason, len(e.candidates)] for e in found]
    print_table("Open reviews", ["number", "since (UTC)", "record", "reason", "candidates"], rows)


@review.command()
@one_line_errors
def show(number: Number, json: Json = False) -> None:
    """Side by side: what the record says, and what the registry holds of each candidate. Direct identifiers."""
    from datacentre.control.store import opened
    from datacentre.stages.identity import review_sides

    settings = from_environment()
    with opened(settings.control_url) as control:
        event, sides = review_sides(settings, control, number)
    if json:
        print_json({"review": _row(event), "sides": sides})
        return
    names = sorted({name for side in sides for name in side.values})
    heads = ["the record" if s.probability is None else f"{s.person_key[:12]} ({s.probability:.3f})" for s in sides]
    rows = [[name, *(side.values.get(name, "") for side in sides)] for name in names]
    print_table(f"Review {number}: {event.reason}", ["", *heads], rows)


@review.command()
@one_line_errors
def decide(
    number: Number,
    reason: Reason,
    same: Annotated[bool, typer.Option("--same/--different", help="whether it is the candidate's record")],
    person: Annotated[str | None, typer.Option(help="which candidate, where there are several")] = None,
) -> None:
    """Say whether the record is the candidate's; the next build of the marts has it so."""
    from datacentre.control.identity_decisions import decide_different, decide_same
    from datacentre.control.store import opened

    _require(reason)
    with opened(from_environment().control_url) as control:
        if same:
            done = decide_same(control, number, getuser(), reason, person)
        else:
            done = decide_different(control, number, getuser(), reason)
    out.print(f"review {number} is decided, by event {done}", highlight=False)


@app.command()
@one_line_errors
def merge(other: Key, person: Key, reason: Reason) -> None:
    """Make two persons one: what is known of the first becomes the second's, until it is taken back."""
    from datacentre.control import identity_decisions
    from datacentre.control.store import opened

    _require(reason)
    with opened(from_environment().control_url) as control:
        done = identity_decisions.merge(control, other, person, getuser(), reason)
    out.print(f"merged by event {done}; take it back by: datacentre registry unmerge {done}", highlight=False)


@app.command()
@one_line_errors
def unmerge(event: Annotated[int, typer.Argument(help="number of the merge")], reason: Reason) -> None:
    """Take a merge back; everything is as if it had never been."""
    from datacentre.control import identity_decisions
    from datacentre.control.store import opened

    _require(reason)
    with opened(from_environment().control_url) as control:
        done = identity_decisions.unmerge(control, event, getuser(), reason)
    out.print(f"event {event} is taken back, by event {done}", highlight=False)


@app.command()
@one_line_errors
def split(event: Annotated[int, typer.Argument(help="number of the link")], reason: Reason) -> None:
    """Take the records of a case from the person whom they were linked to; they get a person of their own."""
    from datacentre.control.store import opened
    from datacentre.stages import identity

    _require(reason)
    settings = from_environment()
    with opened(settings.control_url) as control:
        done = identity.split(settings, control, event, getuser(), reason)
    out.print(f"split by event {done}", highlight=False)


@app.command()
@one_line_errors
def events(
    limit: Annotated[int, typer.Option(min=1, help="events shown, the newest last")] = 50, json: Json = False
) -> None:
    """What was found and decided, by pseudonym: links, reviews, merges, splits."""
    from datacentre.control.identity import events as told
    from datacentre.control.identity import newest_event
    from datacentre.control.store import opened

    with opened(from_environment().control_url) as control:
        found = told(control, after=max(0, newest_event(control) - limit))
    if json:
        print_json([_row(event) for event in found])
        return
    rows = [
        [e.number, f"{e.at:%F %T}", e.kind, e.who, _short(e.other_key), _short(e.person_key), _place(e), e.reason]
        for e in found
    ]
    heads = ["number", "at (UTC)", "kind", "who", "other", "person", "record", "reason"]
    print_table("Events of identity", heads, rows)


@app.command()
@one_line_errors
def train() -> None:
    """Learn the weights of the linkage anew from the registry; it is done by itself where the registry has doubled."""
    from datacentre.stages.identity import train_model

    known = train_model(from_environment())
    told = f"model {known.id} of {known.registered} persons, {known.share:.1%} of the records compared have one of them"
    out.print(told, highlight=False)


def _require(reason: str) -> None:
    if not reason.strip():
        raise ContractError("--reason: say why; whoever looks at it next reads it")


def _row(event: "Event") -> dict[str, object]:
    from dataclasses import asdict

    return {name: value for name, value in asdict(event).items() if value not in (None, ())}


def _place(event: "Event") -> str:
    return "" if event.stream is None else f"{event.stream} {event.kafka_partition}:{event.kafka_offset}"


def _short(key: str | None) -> str:
    return (key or "")[:12]
