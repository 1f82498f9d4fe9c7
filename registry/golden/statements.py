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
    hospital_number text,
    record_hash ubigint,
    is_confirmed boolean,
    is_amending boolean,
    is_by_case boolean
)
"""
"""One row per person named by a certified record that stands: neither a producer's duplicate, nor corrected, nor
deleted. `named_as` is the role, `list_position` counts from 1 within it, and is 0 where the role is no list.

`record_hash` stands for stream and record key. The case is confirmed, or amends what was said before, by the person
mapping. `is_by_case`: another record of the same case names the person."""

HEARD = """
create table if not exists heard (
    stream_key text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    certificate_id bigint not null,
    ingest_date date not null,
    broker_time timestamptz not null,
    is_deleted boolean not null,
    has_identity boolean not null,
    record_hash ubigint not null,
    event_hash ubigint,
    corrects_hash ubigint,
    mark tinyint not null,
    is_amending boolean not null
)
"""
"""Every certified row of the streams that name persons, also those that don't stand. `mark` is 1 where it confirms its
case, -1 where it refuses it. Hashes are of 64 bits: of five million events two share one once in a million centres."""

_OTHERS = """
create table if not exists followed (stream_key text, certificate_id bigint, kafka_partition integer,
    start_offset bigint, next_offset bigint);
create table if not exists registered (person_key text not null, person_hash ubigint not null);
create table if not exists pending (person_key text not null);
create table if not exists unshelved (record_hash ubigint not null);
create table if not exists shelved_at (record bigint not null, subject bigint not null);
create table if not exists made_from (fingerprint text, is_told boolean);
"""


def work_file(home: Path) -> Path:
    return home / "registry" / "work.duckdb"


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty tables where there are none.

    `followed` are the certified ranges behind them, `registered` the persons whom the registry knows, who are
    looked for by the hash: keys are long, and all of them have to be read. `pending` are
    those whose golden records have still to be written, `unshelved` the records that the shelf doesn't have yet.
    `shelved_at` says under which persons the shelf may have statements of a record, both by their numbers there.
    `made_from` says what the tables were made by, and whether the golden records are those of these tables.
    """
    for table in (TABLE, HEARD, _OTHERS):
        connection.execute(table)
