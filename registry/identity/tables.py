"""What the work database remembers for linking: keys of persons, keys of cases that wait, how frequent values are."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from lake.identity_rows import make_identity_tables
from registry.golden.mapping import PersonMapping
from registry.identity.told_rows import SUBJECT

_TABLES = """
create table if not exists person_block (subject bigint not null, key ubigint not null);
create table if not exists waiting_block (record_hash ubigint not null, key ubigint not null);
create table if not exists term_frequency (role text not null, value text not null, frequency double not null);
"""
"""`subject` is a person's number, see `told_rows.SUBJECT`. `waiting_block` has the cases that nobody was found for."""


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty tables where there are none."""
    make_identity_tables(connection)
    connection.execute(_TABLES)


def forget_keys(connection: duckdb.DuckDBPyConnection, person_key: str) -> None:
    """Of a person who is erased, and of the cases of `touched_record`, that spoke of her."""
    make_tables(connection)
    connection.execute(f"delete from person_block where subject = {SUBJECT.format('$1')}", [person_key])
    connection.execute("delete from waiting_block where record_hash in (from touched_record)")


@dataclass(frozen=True)
class Speakers:
    """Roles as SQL lists of (stream_key, named_as): `registering` ones make a person known and tell her name;
    `telling` ones tell name and birth date of somebody who may have come without the number."""

    registering: str
    telling: str

    @property
    def own(self) -> str:
        """What of a person's statements she is known by: never what was linked. Who registers for the first time has
        no number yet in the application; the case tells it later."""
        return f"""(person_key = resolved_key
            or (person_key is null and resolved_key is not null and (stream_key, named_as) in ({self.registering})))"""


def speakers(mapping: PersonMapping) -> Speakers:
    """As the person mapping says."""
    registering: list[tuple[str, str]] = []
    telling: list[tuple[str, str]] = []
    for key, stream in mapping.streams.items():
        for name, role in stream.roles.items():
            if {"full_name", "birth_date"} <= role.says.keys():
                (registering if role.registers else telling).append((key, name))
    return Speakers(_listed(registering), _listed(telling))


def _listed(roles: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"('{key}', '{name}')" for key, name in roles) or "('', '')"
