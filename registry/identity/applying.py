"""Bring statements to the events of identity: of whom each speaks, after links and merges."""

import duckdb

from registry.golden.derive import ORDER, replace_statements

_HOLDS = "replaced_by is null"
_CHANGED = "event_number > {0} or replaced_by > {0}"


def apply_events(connection: duckdb.DuckDBPyConnection, before: int) -> None:
    """Widen `restated` by the records that events behind `before` concern, and put them all in their place again."""
    _widen(connection, before)
    if not _has_identity(connection):
        return
    connection.execute(
        """insert into touched_person select resolved_key from restated where resolved_key is not null
        except from touched_person"""
    )
    connection.execute(
        f"""create or replace temp table applied as
        with own as (
            select s.*, coalesce(s.person_key, arg_max(s.person_key, {ORDER.format("s.")})
                over (partition by record_hash, named_as, list_position)) as own_key
            from restated as s
        )
        select own.* exclude (own_key) replace (coalesce(a.resolved_key, l.linked_key, own_key) as resolved_key)
        from own
        left join person_link as l on l.{_HOLDS} and own.list_position = 0 and l.stream_key = own.stream_key
            and l.kafka_partition = own.kafka_partition and l.kafka_offset = own.kafka_offset
        left join person_alias as a on a.{_HOLDS} and a.person_key = coalesce(l.linked_key, own_key)"""
    )
    connection.execute("create or replace temp table restated as from applied")
    replace_statements(connection)


def _widen(connection: duckdb.DuckDBPyConnection, before: int) -> None:
    changed = _CHANGED.format(before)
    connection.execute(
        f"""create or replace temp table changed_place as
        select distinct stream_key, kafka_partition, kafka_offset from person_link where {changed}"""
    )
    connection.execute(
        f"""create or replace temp table changed_person as
        select person_key from person_alias where {changed}
        union select resolved_key from person_alias where {changed}"""
    )
    connection.execute(
        """create or replace temp table concerned as
        select record_hash from statement semi join changed_person on changed_person.person_key = resolved_key
        union select record_hash from statement
        semi join changed_place using (stream_key, kafka_partition, kafka_offset)
        except select record_hash from touched_record"""
    )
    connection.execute("insert into restated by name from statement semi join concerned using (record_hash)")
    connection.execute("insert into touched_record from concerned")


def _has_identity(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(connection.execute("select exists (from person_link) or exists (from person_alias)").fetchall()[0][0])
