"""Take a person's identifier from the terminal or standard input, never from an argument, and forget it at once."""

import sys
from getpass import getpass

from datacentre.errors import ContractError
from datacentre.settings import Settings


def asked_pseudonym(settings: Settings, option: str, given: str) -> str:
    """The pseudonym of who is asked for; raises ContractError where an identifier was given as an argument."""
    from datacentre.pseudonym import load_or_create

    if given != "-":
        raise ContractError(f"{option} -: an identifier on the command line would stay in histories and process lists")
    identifier = getpass("CID: ") if sys.stdin.isatty() else sys.stdin.readline()
    return load_or_create(settings.home, is_in_use=True).pseudonym(identifier.strip())
