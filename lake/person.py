"""Find one person's identifier in bytes without being told it.

Only the pseudonym is known: whatever looks like an identifier is pseudonymised and compared. So an erasure
needs the identifier once, when it is asked for, and never again.
"""

import re
from collections.abc import Iterable

from datacentre.contracts import Contract
from datacentre.pseudonym import PseudonymKey

PERSON_KEY = "person_key"
_ESCAPED = re.compile(rb"\\u00([0-7][0-9a-fA-F])")


class Person:
    """One person by pseudonym. `patterns` are the contracts' patterns of the identifiers behind `person_key`, `linked`
    the places (stream, partition, offset) of records that the registry has found to be about her without it."""

    def __init__(
        self,
        person_key: str,
        key: PseudonymKey,
        patterns: Iterable[str],
        linked: Iterable[tuple[str, int, int]] = (),
    ):
        self.person_key = person_key
        self.linked = frozenset(linked)
        self.key = key
        alike = "|".join(sorted({f"(?:{p.removeprefix('^').removesuffix('$')})" for p in patterns}))
        # Looked ahead, so that one inside a longer run of digits is found too.
        self._alike = re.compile(f"(?=({alike}))".encode())

    def holds(self, data: bytes) -> bool:
        """Whether the identifier stands in `data`, also where JSON has escaped its characters."""
        if self._found(data):
            return True
        return b"\\u00" in data and self._found(_ESCAPED.sub(_character, data))

    def _found(self, data: bytes) -> bool:
        return any(self._is_me(found[1]) for found in self._alike.finditer(data))

    def _is_me(self, identifier: bytes) -> bool:
        return self.key.pseudonym(identifier.decode(errors="replace")) == self.person_key

    def masked(self, data: bytes) -> bytes:
        """`data` with stars in place of the identifier."""
        if not self._found(data):
            data = _ESCAPED.sub(_character, data)
        for start, end in [m.span(1) for m in self._alike.finditer(data) if self._is_me(m[1])]:
            data = data[:start] + b"*" * (end - start) + data[end:]
        return data


def patterns_of(contracts: Iterable[Contract]) -> set[str]:
    """Patterns of the identifiers that a `person_key` stands for."""
    fields = [f for c in contracts for f in c.pseudonymised if f.pseudonym_column == PERSON_KEY]
    return {f.pattern for f in fields if f.pattern}


def _character(escaped: re.Match[bytes]) -> bytes:
    return bytes([int(escaped[1], 16)])
