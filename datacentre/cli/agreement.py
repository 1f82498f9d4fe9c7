"""`agreement check`, `agreement show`, `agreement rotate`: who may have what, and under which pseudonyms."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from datacentre.cli.console import one_line_errors, out, print_json, print_table
from datacentre.errors import ContractError
from datacentre.settings import Settings, from_environment

if TYPE_CHECKING:
    from sharing.agreements.model import Agreement, MartGrant, StreamGrant

app = typer.Typer(no_args_is_help=True, help="What consumers may have, and the keys of their pseudonyms.")
Consumer = Annotated[str, typer.Argument(help="the consumer's code, as its agreement has it")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]


@app.command()
@one_line_errors
def check(json: Json = False) -> None:
    """Check every agreement against marts and contracts; names file, line and field of what is wrong."""
    found = _agreements(from_environment())
    today = datetime.now(UTC).date()
    rows = [_row(agreement, today) for agreement in found.values()]
    if json:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    else:
        print_table("Agreements", _COLUMNS, rows)


@app.command()
@one_line_errors
def show(consumer: Consumer, json: Json = False) -> None:
    """All that one consumer may have; what isn't shown is denied."""
    agreement = _agreement(from_environment(), consumer)
    if json:
        print_json(agreement)
        return
    out.print(f"{agreement.id}: {agreement.title}", style="bold", markup=False, highlight=False)
    print_table("Purposes", ("purpose", "meaning"), list(agreement.purposes.items()))
    for mart, grant in agreement.marts.items():
        _print_grant(mart, grant)
    for stream, stream_grant in agreement.streams.items():
        _print_grant(stream, stream_grant, stream_grant.edge)
    print_table("Lookups", ("purpose", "attributes"), [(p, ", ".join(a)) for p, a in agreement.lookups.items()])


@app.command()
@one_line_errors
def rotate(
    consumer: Consumer,
    reason: Annotated[str, typer.Option(help="why; is kept beside the key")],
    crosswalk: Annotated[bool, typer.Option("--crosswalk", help="tell which of its tokens became which")] = False,
    json: Json = False,
) -> None:
    """Give a consumer's pseudonyms a new key; the next release has other tokens.

    Consumers that share the scope get other tokens too: they go on joining with each other. A crosswalk lets each carry
    its own joins over, so not after its tokens got into wrong hands.
    """
    from sharing.pseudonyms import rotate_scope

    settings = from_environment()
    agreements = _agreements(settings)
    scope = _known(agreements, consumer).pseudonym_scope
    rotated = rotate_scope(settings.home, scope, reason, has_crosswalk=crosswalk)
    sharers = [a.consumer for a in agreements.values() if a.pseudonym_scope == scope]
    if json:
        print_json({"scope": scope, "key_id": rotated.key_id, "consumers": sharers})
    else:
        told = f"scope {scope}: key {rotated.key_id} from now on, for {', '.join(sharers)}; run datacentre release"
        out.print(told, markup=False, highlight=False)


_COLUMNS = ("consumer", "agreement", "valid_from", "expires", "is_valid", "scope", "marts", "streams", "lookups")


def _row(agreement: "Agreement", today: date) -> tuple[object, ...]:
    sizes = (len(agreement.marts), len(agreement.streams), len(agreement.lookups))
    days = (agreement.valid_from, agreement.expires, agreement.is_valid(today))
    return (agreement.consumer, agreement.id, *days, agreement.pseudonym_scope, *sizes)


def _print_grant(name: str, grant: "MartGrant | StreamGrant", edge: str = "") -> None:
    """Whole, never cut to the terminal: a filter that is half shown says the wrong thing."""
    out.print(f"{name} for {', '.join(grant.purposes)}", style="bold", markup=False, highlight=False)
    out.print(f"  columns  {', '.join(grant.columns)}", markup=False, highlight=False)
    out.print(f"  rows     {grant.row_filter or 'all'}", markup=False, highlight=False)
    if edge:
        out.print(f"  edge     {edge}", markup=False, highlight=False)


def _agreement(settings: Settings, consumer: str) -> "Agreement":
    return _known(_agreements(settings), consumer)


def _agreements(settings: Settings) -> "dict[str, Agreement]":
    from datacentre.contracts import load_contracts
    from sharing.agreements import load_agreements

    return load_agreements(settings.schemas, load_contracts(settings.schemas), settings.dbt_project)


def _known(agreements: "Mapping[str, Agreement]", consumer: str) -> "Agreement":
    if consumer not in agreements:
        raise ContractError(f"there is no agreement with {consumer!r}; there are {', '.join(agreements)}")
    return agreements[consumer]
