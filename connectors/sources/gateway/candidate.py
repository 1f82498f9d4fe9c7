"""A record that somebody wants to send."""

from typing import NamedTuple


class Candidate(NamedTuple):
    """Its bytes, and the rules that it broke before the row check sees it."""

    value: bytes
    broken_rules: tuple[str, ...] = ()
