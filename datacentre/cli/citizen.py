"""How a person's number comes in: asked for, or from standard input, never as an argument."""

import sys
from getpass import getpass
from typing import Annotated

import typer

from datacentre.errors import ContractError
from datacentre.settings import Settings

Cid = Annotated[str, typer.Option(help="must be `-`: asked for, or read from standard input, never an argument")]


def asked_pseudonym(settings: Settings, given: str, option: str = "--cid") -> str:
    """The pseudonym of who is asked for; raises what `read_cid` raises."""
    from datacentre.pseudonym import load_or_create

    return load_or_create(settings.home, is_in_use=True).pseudonym(read_cid(given, option))


def read_cid(given: str, option: str = "--cid") -> str:
    """Raises ContractError for anything but `-`."""
    if given != "-":
        raise ContractError(f"{option} -: an identifier on the command line would stay in histories and process lists")
    return (getpass("CID: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
