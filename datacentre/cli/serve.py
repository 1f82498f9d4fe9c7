"""`serve` and `access-key`: consumers read by HTTP, each with a key of its own."""

import logging
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from datacentre.cli.api_keys import KeyKind
from datacentre.cli.console import one_line_errors
from datacentre.errors import ContractError
from datacentre.settings import from_environment

keys = typer.Typer(no_args_is_help=True, help="Keys with which consumers read what their agreements give.")
_KEYS = KeyKind("Access keys", "consumer", "purposes")
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of text")]


@one_line_errors
def serve(
    host: Annotated[
        str, typer.Option(help="address to listen on; anything but loopback belongs behind TLS")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="DATACENTRE_SERVE_PORT where it isn't given")] = None,
) -> None:
    """Give consumers what their agreements say, and log it first (docs/serve.md)."""
    from sharing.api.server import serve as answer
    from sharing.shelves import opened_shelves

    settings = from_environment()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with opened_shelves(settings) as shelves:
        answer(shelves, host, port or settings.serve_port)


@keys.command("create")
@one_line_errors
def create(
    consumer: Annotated[str, typer.Argument(help="as its agreement's file is called")],
    purpose: Annotated[list[str], typer.Option(help="what it may read for; may be repeated")],
    days: Annotated[int, typer.Option(min=1, max=1000, help="how long the key is valid")] = 90,
    json: Json = False,
) -> None:
    """Make a key; it is shown once and stored as a hash only."""
    from datacentre.contracts import load_contracts
    from sharing.access_keys import access_keys, create_access_key
    from sharing.agreements import load_agreements

    settings = from_environment()
    agreements = load_agreements(settings.schemas, load_contracts(settings.schemas), settings.dbt_project)
    if consumer not in agreements:
        raise ContractError(f"no agreement with {consumer!r}; there are {', '.join(agreements) or 'none'}")
    key, text = create_access_key(access_keys(settings.home), agreements[consumer], purpose, days, datetime.now(UTC))
    _KEYS.print_new(key, text, json)


@keys.command("list")
@one_line_errors
def list_(json: Json = False) -> None:
    """Keys by id, with what each may read for and until when."""
    from sharing.access_keys import access_keys

    _KEYS.print_all(access_keys(from_environment().home).read(), json)


@keys.command("revoke")
@one_line_errors
def revoke(identity: Annotated[str, typer.Argument(metavar="ID", help="as `list` shows it")]) -> None:
    """Refuse a key from its next request on."""
    from sharing.access_keys import access_keys

    _KEYS.print_revoked(access_keys(from_environment().home).revoke(identity, datetime.now(UTC)))
