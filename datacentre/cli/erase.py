"""`erase`, `erase request`, `erase run`, `erase verify`: a person's right to be forgotten."""

from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from datacentre.cli.citizen import Cid, read_cid
from datacentre.cli.console import err, one_line_errors, out, print_json
from datacentre.errors import ContractError
from datacentre.settings import Settings, from_environment

app = typer.Typer(help="Erase a person's direct identifiers everywhere, keep the pseudonymous facts, and certify it.")
Reason = Annotated[str, typer.Option(help="why; stands in the certificate")]
Authority = Annotated[str, typer.Option(help="by which law, court or office; stands in the certificate")]


@app.callback(invoke_without_command=True)
@one_line_errors
def erase(context: typer.Context, cid: Cid = "", reason: Reason = "", authority: Authority = "") -> None:
    """Ask for an erasure and carry it out at once."""
    if context.invoked_subcommand is None:
        settings = from_environment()
        _run(settings, _request(settings, cid, reason, authority))


@app.command()
@one_line_errors
def request(cid: Cid, reason: Reason, authority: Authority) -> None:
    """Only ask for an erasure: prints the number with which `erase run`, or the DAG, carries it out."""
    out.print(str(_request(from_environment(), cid, reason, authority)))


@app.command()
@one_line_errors
def run(number: Annotated[int, typer.Argument(help="number of an erasure request")]) -> None:
    """Carry out a request; may be repeated."""
    _run(from_environment(), number)


@app.command()
@one_line_errors
def verify(
    certificate: Annotated[Path, typer.Argument(help="a certificate's file")],
    key: Annotated[Path | None, typer.Option(help="public key to check with; this centre's when absent")] = None,
) -> None:
    """Check who signed a certificate and that nobody has changed it; prints what it says."""
    from datacentre.signing import public_key_file, verified

    print_json(verified(certificate, key or public_key_file(from_environment().home)))


def _request(settings: Settings, cid: str, reason: str, authority: str) -> int:
    from datacentre.stages.erase import request as ask

    if cid == "-" and not (reason.strip() and authority.strip()):
        raise ContractError("--reason and --authority: say why and by whose right; both stand in the certificate")
    identifier = read_cid(cid)
    return ask(settings, identifier, reason, authority, getuser())


def _run(settings: Settings, number: int) -> None:
    from datacentre.stages.erase import erase as carry_out

    with err.status("erasing") as status:
        certificate = carry_out(settings, number, getuser(), status.update)
    out.print(f"request {number}: erased, certificate {certificate}", markup=False, highlight=False)
