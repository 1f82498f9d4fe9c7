"""The table of statements: whom a certified record names, and what it says of each. It holds direct identifiers."""

from pathlib import Path

import duckdb

SUBJECT = ("person_key", "resolved_key")
"""The record's own pseudonym, null without a number; and whom it is held to speak of, null where nobody knows."""

ATTRIBUTES = (
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "sex",
    "phone",
    "permanent_gewog_code",
    "village",
    "residence_gewog_code",
    "household_number",
    "hospital_number",
)
"""What a statement may say of a person, null where it doesn't."""

TABLE = """
create table if not exists statement (
    stream_key text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    named_as text not null,
    list_position integer not null,
    certificate_id bigint not null,
    record_key text not null,
    event_id text not null,
    source text not null,
    event_date date not null,
    event_time timestamptz,
    broker_time timestamptz not null,
    person_key text,
    resolved_key text,
    given_name text,
    family_name text,
    full_name text,
    birth_date date,
    sex text,
    phone text,
    permanent_gewog_code text,
    village text,
    residence_gewog_code text,
    household_number text,
    hospital_number text
)
"""
"""One row per person named by a certified record that stands: neither a producer's duplicate, nor corrected, nor
deleted. `named_as` is the role, `list_position` counts from 1 within it, and is 0 where the role is no list."""


def work_file(home: Path) -> Path:
    return home / "registry" / "work.duckdb"


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """An empty table of statements where there is none."""
    connection.execute(TABLE)
