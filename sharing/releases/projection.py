"""What one consumer gets of one mart, as SQL: its rows, its columns, and every column in the way it may leave."""

import hashlib
import json
from dataclasses import asdict, dataclass

from sharing.agreements.model import Agreement, MartGrant
from sharing.pseudonyms import token_sql
from sharing.shared_marts import SharedMart

_FORMAT = 1
"""Raised when the same rows would be written in another way."""


@dataclass(frozen=True)
class Projection:
    """`grant` of `mart`; in SQL the mart is `marts.<name>`, and `$inner` and `$outer` are the scope key's pads."""

    mart: SharedMart
    grant: MartGrant

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns that a row is known by, where all of them are given and stay apart; rows are sorted by them
        first."""
        leaving = self.mart.leaving
        exact = {name for name in self.grant.columns if name in leaving.as_is or name in leaving.as_tokens}
        return self.mart.key if set(self.mart.key) <= exact else ()

    @property
    def rules(self) -> str:
        """SHA-256 over all that turns the mart's rows into the consumer's, but for the key."""
        said = [_FORMAT, self.query(), self.row_key]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    @property
    def tokens(self) -> dict[str, str]:
        """The columns that are given as tokens, and what each identifies."""
        kinds = self.mart.leaving.as_tokens
        return {name: kinds[name] for name in self.grant.columns if name in kinds}

    def query(self) -> str:
        """The consumer's rows, always in the same order."""
        columns = ", ".join(f'{self._leaving(name)} as "{name}"' for name in self.grant.columns)
        first = [f'"{name}"' for name in self.row_key]
        return f"select {columns} {self._rows()} order by {', '.join([*first, *self._others()])}"

    def content(self) -> str:
        """Number and sum of hashes of the rows that the consumer's are made of."""
        columns = ", ".join(f'"{name}"' for name in self.grant.columns)
        return f"select count(*), coalesce(sum(hash({columns})::hugeint), 0)::varchar {self._rows()}"

    def identifiers(self) -> tuple[tuple[str, str], ...]:
        """For each column of tokens, what it identifies, and a query of its values as one column `value`."""
        return tuple((kind, f"select {self.each(name)} as value {self._rows()}") for name, kind in self.tokens.items())

    def each(self, name: str) -> str:
        """The values of a column as SQL, one a row."""
        return f'unnest("{name}")' if self._is_list(name) else f'"{name}"'

    def _rows(self) -> str:
        condition = f"where ({self.grant.row_filter})" if self.grant.row_filter else ""
        return f'from marts."{self.mart.name}" {condition}'

    def _others(self) -> list[str]:
        return [f'"{name}"' for name in self.grant.columns if name not in self.row_key]

    def _leaving(self, name: str) -> str:
        """A column that isn't sorted into a way stays; an agreement that names it isn't loaded."""
        leaving = self.mart.leaving
        if name in leaving.as_tokens:
            return self._token(name, leaving.as_tokens[name])
        if name in leaving.by_the_hour:
            return f"date_trunc('hour', \"{name}\")"
        if name in leaving.in_whole_minutes:
            return f'round("{name}")'
        return f'"{name}"' if name in leaving.as_is else "null"

    def _token(self, name: str, kind: str) -> str:
        literal = f"'{kind}'"
        if self._is_list(name):
            return f'list_transform("{name}", lambda x: {token_sql(literal, "x")})'
        return token_sql(literal, f'"{name}"')

    def _is_list(self, name: str) -> bool:
        return self.mart.columns[name].endswith("[]")


def hash_of(agreement: Agreement) -> str:
    """SHA-256 over all that it says."""
    return hashlib.sha256(json.dumps(asdict(agreement), sort_keys=True, default=str).encode()).hexdigest()
