"""What citizens were asked that the state knew already.

An asking is the first record of a case that gives a value: the steps that repeat it don't ask again. It was known where
an earlier record of another case said it of the same person: one of the source that the contract names as the
authority, or one of the same stream. Earlier is when Kafka had it, since nobody could have looked up what came later;
so the answer depends on the order of arrival, unlike the golden records. Values are compared without case and
repeated spaces. docs/decisions/027 says what counts and what doesn't.
"""

from collections.abc import Iterator

import duckdb

from lake.asked_rows import ASKED_COLUMNS, RECORD, TABLES
from registry.golden.mapping import PersonMapping

_ORIGIN = """stream_key, kafka_partition, kafka_offset, certificate_id, record_key, record_hash, named_as,
    list_position, event_date, broker_time, source, resolved_key"""
_LEARNED_AT = "row(broker_time, stream_key, kafka_partition, kafka_offset, named_as, list_position)"
_VALUE = r"lower(trim(regexp_replace(value, '\s+', ' ', 'g')))"


def make_asked_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """`asked_field` of the work database says whom a row is about, too, by a hash of 64 bits."""
    connection.execute(TABLES)
    connection.execute("alter table asked_field add column if not exists person_hash ubigint")
    connection.execute("insert into asked_origin select uuid() where not exists (from asked_origin)")


def note_askings(connection: duckdb.DuckDBPyConnection, mapping: PersonMapping) -> None:
    """Decide anew for everybody of `asked_person`; `spoken` holds all statements of theirs."""
    connection.execute("create or replace temp table submitted as " + " union all ".join(_submitted(mapping)))
    connection.execute(_FIRST)
    connection.execute(_KNOWN)
    connection.execute(_ASKING)
    hers = "where person_hash in (select hash(person_key) from asked_person)"
    connection.execute("begin")
    connection.execute(f"insert into asked_record select distinct {RECORD} from asked_field {hers}")
    connection.execute(f"delete from asked_field {hers}")
    connection.execute(f"insert into asked_field by name select {', '.join(ASKED_COLUMNS)}, person_hash from asking")
    connection.execute(f"insert into asked_record select distinct {RECORD} from asking")
    connection.execute("commit")


def _submitted(mapping: PersonMapping) -> Iterator[str]:
    """Values that a record of a role gives. What several fields say together has no `field`: each of them was asked for
    itself, but others may ask for it in one. What a case establishes is new, and isn't asked."""
    for key, stream in mapping.streams.items():
        for name, role in stream.roles.items():
            for attribute, fields in role.says.items():
                field = f"'{fields[0]}'" if len(fields) == 1 else "null"
                yield f"""select {_ORIGIN}, {field} as field, '{attribute}' as attribute,
                        '{mapping.beliefs[attribute].authority}' as authority, {attribute}::text as value
                    from spoken where stream_key = '{key}' and named_as = '{name}' and {attribute} is not null"""


_FIRST = f"""
create or replace temp table first_submitted as
from submitted where field is not null and list_position = 0
qualify row_number() over (partition by resolved_key, record_hash, attribute order by {_LEARNED_AT}) = 1
"""
"""What a record gives once for all members of a list is asked of the applicant."""

_KNOWN = f"""
create or replace temp table known as
select resolved_key, attribute, unnest(list_distinct([stream_key, source])) as known_by, broker_time,
    arg_max({_VALUE}, {_LEARNED_AT}) as value, arg_max(stream_key, {_LEARNED_AT}) as stream_key
from submitted
group by resolved_key, attribute, known_by, broker_time
"""

_ASKING = f"""
create or replace temp table asking as
with wanted as (
    select *, unnest(list_distinct([stream_key, authority])) as known_by from first_submitted
), found as (
    select wanted.*, known.value as known_value, known.stream_key as known_from_stream, known.broker_time as known_at
    from wanted
    asof left join known
        on wanted.resolved_key = known.resolved_key and wanted.attribute = known.attribute
        and wanted.known_by = known.known_by and wanted.broker_time > known.broker_time
)
select stream_key, kafka_partition, kafka_offset, certificate_id, record_key, named_as, field, attribute,
    event_date as asked_date, hash(resolved_key) as person_hash,
    max(known_at) is not null as was_known,
    coalesce(bool_or(known_value = {_VALUE}), false) as was_equal,
    arg_max(known_from_stream, row(known_at, known_from_stream)) as known_from_stream
from found
group by all
"""
