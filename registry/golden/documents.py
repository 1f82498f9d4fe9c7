"""Write what is believed of a set of persons to the store that lookups read."""

from collections.abc import Iterator

import duckdb

from datacentre.pseudonym import PseudonymKey
from registry.golden.person import CONFIDENCES
from registry.golden.store import GoldenStore, HouseholdMember

_BATCH = 2_000
_CONFIRMED = 2
"""The lowest rank of a household number that makes its holder a member."""


def write_documents(connection: duckdb.DuckDBPyConnection, store: GoldenStore, key: PseudonymKey) -> int:
    """Put the golden records of everybody of `asked_person` into the store, and take out who isn't registered.

    Reads the tables that `believe` leaves. Returns how many records were written.
    """
    _name_households(connection, key)
    gone = connection.execute(
        "select person_key from asked_person where person_key not in (select person_key from taken)"
    ).fetchall()
    store.remove(person_key for (person_key,) in gone)
    documents = ((person, text.encode(), bool(conflicts)) for person, text, conflicts in _documents(connection))
    written = store.write(documents)
    store.place_members(sorted(written), (HouseholdMember(*row) for row in _members(connection)))
    return len(written)


def _name_households(connection: duckdb.DuckDBPyConnection, key: PseudonymKey) -> None:
    numbers = connection.execute(
        "select distinct value from taken where attribute = 'household_number' and rank <= $1", [_CONFIRMED]
    ).fetchall()
    connection.execute("create or replace temp table household (number text, household_key text)")
    if numbers:
        named = {number: key.pseudonym(f"household:{number}") for (number,) in numbers}
        connection.execute(
            "insert into household select unnest($numbers::text[]), unnest($keys::text[])",
            {"numbers": list(named), "keys": list(named.values())},
        )


def _documents(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, int]]:
    """Person, JSON as `registry.golden.person` reads it, and number of conflicts; in the order of the store's key."""
    confidences = "[" + ", ".join(f"'{name}'" for name in CONFIDENCES) + "]"
    connection.execute(
        f"""create or replace temp table document as
        with used as (
            select person_key, list(distinct turn order by turn) as turns
            from (select person_key, turn from taken union all select person_key, turn from conflict)
            group by person_key
        ), origins as (
            select u.person_key, list(json_array(t.stream_key, t.source, t.event_id, t.kafka_partition,
                t.kafka_offset, t.event_date, strftime(t.broker_time, '%Y-%m-%dT%H:%M:%S.%fZ')) order by t.turn) as said
            from (select person_key, unnest(turns) as turn from used) as u join told as t on t.turn = u.turn
            group by u.person_key
        ), attributes as (
            select t.person_key, list(json_array(t.attribute, t.value, list_position(u.turns, t.turn) - 1,
                ({confidences})[t.rank], t.because) order by t.attribute) as said,
                max(h.household_key) as household_key
            from taken as t join used as u on u.person_key = t.person_key
            left join household as h on h.number = t.value and t.rank <= {_CONFIRMED}
                and t.attribute = 'household_number'
            group by t.person_key
        ), conflicts as (
            select c.person_key, list(json_array(c.attribute, c.taken, c.other, list_position(u.turns, c.turn) - 1)
                order by c.attribute, c.turn) as said
            from conflict as c join used as u on u.person_key = c.person_key
            group by c.person_key
        )
        select a.person_key, json_array(a.person_key, o.said, a.said, coalesce(c.said, []), a.household_key)::text,
            coalesce(len(c.said), 0)
        from attributes as a join origins as o on o.person_key = a.person_key
        left join conflicts as c on c.person_key = a.person_key
        order by a.person_key"""
    )
    rows = connection.execute("from document")
    while batch := rows.fetchmany(_BATCH):
        yield from batch


def _members(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, str]]:
    """Person, household, its number, and since when: the day of the move that its number was given for."""
    return connection.execute(
        f"""select t.person_key, h.household_key, t.value, coalesce(max(moved.event_date), min(o.event_date))::text
        from taken as t
        join household as h on h.number = t.value
        join told as o on o.turn = t.turn
        left join told as moved on moved.record_hash = o.record_hash and moved.resolved_key = t.person_key
            and moved.residence_gewog_code is not null
        where t.attribute = 'household_number' and t.rank <= {_CONFIRMED}
        group by all order by t.person_key"""
    ).fetchall()
