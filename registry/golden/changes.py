"""What has changed since the last refresh: certified rows that came and went, and the records that they touch.

The rows come from the copy that builds read, attached as `certified`. Which of a touched record's rows stand is decided
as dbt's staging does it (`dbt_project/macros/stage_stream.sql`).
"""

from collections.abc import Mapping
from datetime import date

import duckdb

from datacentre.contracts import Contract
from lake.certified_rows import CATALOG, folded_parts
from lake.retain import oldest_kept
from registry.golden.mapping import Condition, PersonMapping, SpeakingStream

_RANGE = "stream, certificate_id, kafka_partition, start_offset, next_offset"
_FOLLOWED = "stream_key as stream, certificate_id, kafka_partition, start_offset, next_offset"
_GONE = """exists (from gone_certificate as g where g.stream = h.stream_key and g.certificate_id = h.certificate_id)
    or exists (from kept_from as k where k.stream_key = h.stream_key and h.ingest_date < k.first_date)"""


def note_changes(
    connection: duckdb.DuckDBPyConnection, mapping: PersonMapping, contracts: Mapping[str, Contract], today: date
) -> bool:
    """Bring `heard` to the copy; False where nothing is new and nothing has gone.

    Leaves temporary tables: `touched_record`, and `row_of_record` with whether each row of those stands.
    """
    _compare(connection, mapping, contracts, today)
    if not _is_changed(connection):
        return False
    connection.execute("create or replace temp table left_row as from heard limit 0")
    if _has_gone(connection):
        connection.execute(f"insert into left_row from heard as h where {_GONE}")
        connection.execute(f"delete from heard as h where {_GONE}")
    connection.execute("create or replace temp table fresh_row as from heard limit 0")
    for key, stream in mapping.streams.items():
        connection.execute(_fresh_rows(key, stream), {"key": key})
    connection.execute("insert into heard from fresh_row")
    _touch(connection)
    _judge(connection)
    connection.execute("delete from followed")
    connection.execute("insert into followed select * from certified_now")
    return True


def _compare(
    connection: duckdb.DuckDBPyConnection, mapping: PersonMapping, contracts: Mapping[str, Contract], today: date
) -> None:
    connection.execute("create or replace temp table kept_from (stream_key text, first_date date)")
    kept = [(key, oldest_kept(contracts[key], today)) for key in mapping.streams]
    connection.executemany("insert into kept_from values (?, ?)", kept)
    connection.execute(
        f"""create or replace temp table certified_now as select distinct {_RANGE} from {CATALOG}.copied_range
        where stream in (select stream_key from kept_from)"""
    )
    _fold(connection)
    connection.execute(
        f"""create or replace temp table gone_certificate as select distinct stream, certificate_id from
        (select {_FOLLOWED} from followed except from certified_now)"""
    )
    connection.execute(
        f"""create or replace temp table new_certificate as select distinct stream, certificate_id from
        (from certified_now except select {_FOLLOWED} from followed)"""
    )


def _fold(connection: duckdb.DuckDBPyConnection) -> None:
    """Give rows of certificates that were folded the number that the copy gives them; they are neither new nor gone."""
    connection.execute(f"create or replace temp table followed_before as select {_FOLLOWED} from followed")
    parts = folded_parts("certified_now", "followed_before")
    connection.execute(f"create or replace temp table folded as {parts}")
    if not _is_true(connection, "select exists (from folded)"):
        return
    connection.execute(
        """update heard set certificate_id = f.whole_id from folded as f
        where heard.certificate_id = f.certificate_id and heard.certificate_id <> f.whole_id
            and heard.stream_key = f.stream and heard.kafka_partition = f.kafka_partition
            and heard.kafka_offset >= f.start_offset and heard.kafka_offset < f.next_offset"""
    )
    connection.execute(
        "delete from followed where row(stream_key, certificate_id, kafka_partition, start_offset, next_offset) in "
        "(select row(stream, certificate_id, kafka_partition, start_offset, next_offset) from folded)"
    )
    connection.execute(
        """insert into followed (stream_key, certificate_id, kafka_partition, start_offset, next_offset)
        select distinct stream, whole_id, kafka_partition, whole_start, whole_next from folded"""
    )


def _is_changed(connection: duckdb.DuckDBPyConnection) -> bool:
    return _is_true(connection, "select exists (from new_certificate)") or _has_gone(connection)


def _has_gone(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a certificate of before holds no longer, or a row is older than its contract keeps it."""
    return _is_true(connection, "select exists (from gone_certificate)") or _is_true(
        connection,
        """select exists (from (select stream_key, min(ingest_date) as oldest from heard group by stream_key) as h
        join kept_from as k on k.stream_key = h.stream_key where h.oldest < k.first_date)""",
    )


def _is_true(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    return connection.execute(query).fetchall() == [(True,)]


def _fresh_rows(key: str, stream: SpeakingStream) -> str:
    return f"""
        insert into fresh_row select '{key}', kafka_partition, kafka_offset, certificate_id, ingest_date, broker_time,
            is_deleted, has_identity, hash('{key}', record_key),
            case when not is_deleted then hash('{key}', source, event_id) end,
            case when corrects_event_id <> event_id then hash('{key}', source, corrects_event_id) end,
            case when {_holds(stream.refused_by)} then -1 when {_holds(stream.confirmed_by)} then 1 else 0 end,
            {_holds(stream.amended_by)}
        from {CATALOG}.{key}
        where certificate_id >= (select min(certificate_id) from new_certificate where stream = $key)
            and certificate_id in (select certificate_id from new_certificate where stream = $key)"""


def _holds(condition: Condition | None) -> str:
    if condition is None:
        return "false"
    values = ", ".join(f"'{value}'" for value in condition.values)
    return f"coalesce({condition.field} in ({values}), false)"


def _touch(connection: duckdb.DuckDBPyConnection) -> None:
    """The records of rows that came or went, and those whose events were sent twice or corrected by such rows."""
    connection.execute(
        """create or replace temp table touched_event as
        select event_hash from (from fresh_row union all from left_row) where event_hash is not null
        union select corrects_hash from (from fresh_row union all from left_row) where corrects_hash is not null"""
    )
    connection.execute(
        """create or replace temp table touched_record as
        select record_hash from fresh_row union select record_hash from left_row
        union select record_hash from heard where event_hash in (from touched_event)"""
    )


def _judge(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create or replace temp table row_of_touched as from heard where record_hash in (from touched_record)"
    )
    connection.execute(
        """create or replace temp table row_of_record as
        with repeated as (
            select h.event_hash, arg_min(row(h.kafka_partition, h.kafka_offset), position(h)) as first_row
            from heard as h
            where h.event_hash in (select event_hash from row_of_touched)
            group by h.event_hash having count(*) > 1
        ), correction as (
            select h.corrects_hash, max(position(h)) as last_position
            from heard as h
            where h.corrects_hash in (select event_hash from row_of_touched)
            group by h.corrects_hash
        ), deletion as (
            select record_hash, kafka_partition, max(kafka_offset) as last_offset
            from row_of_touched where is_deleted group by all
        )
        select t.*, not t.is_deleted
            and (r.first_row is null or r.first_row = row(t.kafka_partition, t.kafka_offset))
            and (c.last_position is null or position(t) > c.last_position)
            and (d.last_offset is null or t.kafka_offset > d.last_offset) as is_standing
        from row_of_touched as t
        left join repeated as r on r.event_hash = t.event_hash
        left join correction as c on c.corrects_hash = t.event_hash
        left join deletion as d on d.record_hash = t.record_hash and d.kafka_partition = t.kafka_partition""".replace(
            "position(t)", "row(t.broker_time, t.kafka_partition, t.kafka_offset)"
        ).replace("position(h)", "row(h.broker_time, h.kafka_partition, h.kafka_offset)")
    )
