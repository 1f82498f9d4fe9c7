"""How a person's number comes in: asked for, or from standard input, never as an argument."""

import sys
from getpass import getpass
from typing import Annotated

import typer

from datacentre.errors import ContractError

Cid = Annotated[str, typer.Option(help="must be `-`: asked for, or read from standard input, never an argument")]


def read_cid(cid: str) -> str:
    """Raises ContractError for anything but `-`."""
    if cid != "-":
        raise ContractError("--cid -: an identifier on the command line would stay in histories and process lists")
    return (getpass("CID: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
