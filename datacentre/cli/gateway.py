"""`gateway` and `gateway-key`: agencies push records by HTTP, each with a key of its own."""

import logging
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from datacentre.cli.api_keys import KeyKind
from datacentre.cli.console import one_line_errors
from datacentre.settings import from_environment

keys = typer.Typer(no_args_is_help=True, help="Keys with which agencies push records to the gateway.")
_KEYS = KeyKind("Gateway keys", "agency", "streams")
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of text")]


@one_line_errors
def gateway(
    host: Annotated[
        str, typer.Option(help="address to listen on; anything but loopback belongs behind TLS")
    ] = "127.0.0.1",
) -> None:
    """Take records by HTTP, check them, answer when Kafka has them (docs/gateway.md)."""
    from connectors.sources.gateway.server import serve

    settings = from_environment()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    serve(settings, host)


@keys.command("create")
@one_line_errors
def create(
    agency: Annotated[str, typer.Argument(help="short name, such as dot")],
    stream: Annotated[list[str], typer.Option(help="a stream it may write; may be repeated")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="how long the key holds")] = 365,
    json: Json = False,
) -> None:
    """Make a key and show it, once: only its hash is kept."""
    from connectors.sources.gateway.keys import create_key, gateway_keys
    from datacentre.contracts import choose, load_contracts

    settings = from_environment()
    streams = tuple(choose(load_contracts(settings.schemas), stream))
    key, text = create_key(gateway_keys(settings.home), agency, streams, days, datetime.now(UTC))
    _KEYS.print_new(key, text, json)


@keys.command("list")
@one_line_errors
def list_(json: Json = False) -> None:
    """Keys by id, with what each may write and until when."""
    from connectors.sources.gateway.keys import gateway_keys

    _KEYS.print_all(gateway_keys(from_environment().home).read(), json)


@keys.command("revoke")
@one_line_errors
def revoke(identity: Annotated[str, typer.Argument(metavar="ID", help="as `list` shows it")]) -> None:
    """Refuse a key from its next request on."""
    from connectors.sources.gateway.keys import gateway_keys

    _KEYS.print_revoked(gateway_keys(from_environment().home).revoke(identity, datetime.now(UTC)))
