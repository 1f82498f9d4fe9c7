"""Bring statements to the events of identity: of whom each speaks, after links and merges."""

import duckdb

from registry.golden.derive import ORDER
from registry.golden.shelf import Shelf
from registry.identity.told_rows import SUBJECT

_HOLDS = "replaced_by is null"
_ROW = "stream_key, kafka_partition, kafka_offset, named_as, list_position"
_CHANGED = "event_number > {0} or replaced_by > {0}"


def apply_events(connection: duckdb.DuckDBPyConnection, shelf: Shelf, before: int) -> None:
    """Widen `restated` by the records that events behind `before` concern, and say of whom each of its rows speaks; the
    same in `statement`. Only what links and merges speak of is looked at."""
    _widen(connection, shelf, before)
    _note_concerned(connection)
    connection.execute(
        f"""create or replace temp table newly_resolved as
        with own as (
            select {_ROW}, person_key, resolved_key, coalesce(person_key, arg_max(person_key, {ORDER.format("")})
                over (partition by record_hash, named_as, list_position)) as own_key
            from restated semi join concerned_record using (record_hash)
        )
        select own.stream_key, own.kafka_partition, own.kafka_offset, named_as, list_position,
            own.resolved_key as before_key, coalesce(a.resolved_key, l.linked_key, own_key) as after_key
        from own
        left join person_link as l on l.{_HOLDS} and list_position = 0 and l.stream_key = own.stream_key
            and l.kafka_partition = own.kafka_partition and l.kafka_offset = own.kafka_offset
        left join person_alias as a on a.{_HOLDS} and a.person_key = coalesce(l.linked_key, own_key)
        where before_key is distinct from after_key"""
    )
    _resolve(connection)
    connection.execute(
        """insert into touched_person
        (select before_key from newly_resolved union select after_key from newly_resolved) except from touched_person"""
    )
    connection.execute("delete from touched_person where person_key is null")


def _resolve(connection: duckdb.DuckDBPyConnection) -> None:
    """Statements go out and come in anew: an update in place makes DuckDB write a column's whole part of the table."""
    same = " and ".join(f"{{0}}.{column} = n.{column}" for column in _ROW.split(", "))
    connection.execute(
        f"update restated set resolved_key = n.after_key from newly_resolved as n where {same.format('restated')}"
    )
    connection.execute(f"delete from statement using newly_resolved as n where {same.format('statement')}")
    connection.execute(
        f"insert into statement by name from restated as r semi join newly_resolved as n on {same.format('r')}"
    )


def _note_concerned(connection: duckdb.DuckDBPyConnection) -> None:
    """Records of which a link speaks, or that name somebody whom a merge speaks of, also one that was taken back."""
    connection.execute(
        """create or replace temp table concerned_record as
        with merged as (select person_key from person_alias union select resolved_key from person_alias)
        select record_hash from restated semi join person_link using (stream_key, kafka_partition, kafka_offset)
        union select record_hash from restated where resolved_key in (from merged) or person_key in (from merged)"""
    )


def _widen(connection: duckdb.DuckDBPyConnection, shelf: Shelf, before: int) -> None:
    """Statements of records that weren't touched are looked up on the shelf, which still has them as they are."""
    changed = _CHANGED.format(before)
    connection.execute(
        f"""create or replace temp table changed_place as
        select distinct stream_key, kafka_partition, kafka_offset from person_link where {changed}
        except select stream_key, kafka_partition, kafka_offset from restated"""
    )
    connection.execute(
        f"""create or replace temp table changed_subject as
        select {SUBJECT.format("person_key")} as subject from person_alias where {changed}
        union select {SUBJECT.format("resolved_key")} from person_alias where {changed}"""
    )
    connection.execute("create or replace temp table merged_statement as from statement limit 0")
    if shelf.is_empty():
        subject = SUBJECT.format("resolved_key")
        connection.execute(f"insert into merged_statement from statement where {subject} in (from changed_subject)")
    else:
        shelf.of_subjects("merged_statement", "changed_subject")
    connection.execute(
        """create or replace temp table concerned as
        select record_hash from merged_statement
        union select record_hash from statement
        semi join changed_place using (stream_key, kafka_partition, kafka_offset)
        except select record_hash from touched_record"""
    )
    if shelf.is_empty():
        connection.execute("insert into restated by name from statement semi join concerned using (record_hash)")
    else:
        shelf.of_records("restated", "concerned")
    connection.execute("insert into touched_record from concerned")
