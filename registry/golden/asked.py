"""What citizens were asked that the state knew already.

An asking is the first record of a case that gives a value: the steps that repeat it don't ask again. It was known where
an earlier record of another case said it of the same person: one of the source that the contract names as the
authority, or one of the same stream. Earlier is when Kafka had it, since nobody could have looked up what came later;
so the answer depends on the order of arrival, unlike the golden records. Values are compared without case and
repeated spaces. docs/decisions/027 says what counts and what doesn't.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import duckdb

from lake.asked_rows import ASKED_COLUMNS, WORK_TABLES
from registry.golden.mapping import PersonMapping


def make_asked_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """`asked_field` of the work database says whom a row is about, too, by a hash of 64 bits."""
    connection.execute(WORK_TABLES)
    connection.execute("alter table asked_field add column if not exists person_hash ubigint")


def hand_over_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Have `follow_askings` take every row the next time, instead of those that are noted as new or gone."""
    for table in ("asked_new", "asked_gone", "asked_origin"):
        connection.execute(f"delete from {table}")
    connection.execute("insert into asked_origin select uuid()")


def note_askings(connection: duckdb.DuckDBPyConnection, mapping: PersonMapping, is_first: bool) -> None:
    """Decide anew for everybody of `asked_person`; `spoken` holds all statements of theirs.

    What was new or went is noted for `follow_askings`, unless it takes all rows of this first refresh anyway.
    """
    questions = [*_questions(mapping)]
    connection.execute(
        """create or replace temp table question (stream_no integer, role_no integer, attribute_no integer,
            stream_key text, named_as text, field text, attribute text, authority text)"""
    )
    connection.executemany("insert into question values (?, ?, ?, ?, ?, ?, ?, ?)", questions)
    connection.execute(_numbered(questions))
    connection.execute("create or replace temp table submitted as " + " union all ".join(_submitted(questions)))
    connection.execute(_FIRST)
    whole = f"hash(person_hash, {', '.join(ASKED_COLUMNS)})"
    connection.execute(f"create or replace temp table asking as select *, {whole} as asking_hash from ({_ASKING})")
    connection.execute(
        """create or replace temp table asked_before as select rowid as place, asking_hash from asked_field
        where person_hash in (select hash(person_key) from asked_person)"""
    )
    connection.execute("create or replace temp table gone as from asked_before anti join asking using (asking_hash)")
    connection.execute("delete from asking where asking_hash in (select asking_hash from asked_before)")
    rows = f"{', '.join(ASKED_COLUMNS)}, asking_hash"
    connection.execute("begin")
    _take_out(connection)
    connection.execute(f"insert into asked_field by name select {rows}, person_hash from asking")
    if not is_first:
        connection.execute(f"insert into asked_new by name select {rows} from asking")
    connection.execute("commit")


def forget_askings(connection: duckdb.DuckDBPyConnection, person_key: str) -> None:
    """Of a person who is erased; within the caller's transaction."""
    connection.execute(
        """create or replace temp table gone as select rowid as place, asking_hash from asked_field
        where person_hash = hash($1::text)""",
        [person_key],
    )
    _take_out(connection)


def _take_out(connection: duckdb.DuckDBPyConnection) -> None:
    """The rows of `gone`, of which there are few."""
    if connection.execute("select exists (from gone)").fetchall() == [(False,)]:
        return
    connection.execute(
        """insert into asked_gone select asking_hash, stream_key, record_key from asked_field
        where rowid in (select place from gone)"""
    )
    connection.execute("delete from asked_field where rowid in (select place from gone)")
    connection.execute("delete from asked_new where asking_hash in (select asking_hash from gone)")


Question = tuple[int, int, int, str, str, str | None, str, str]
"""Numbers of stream, role and attribute in the order of their names; stream, role, field, attribute, authority."""


def _questions(mapping: PersonMapping) -> Iterator[Question]:
    """Values that a record of a role gives. What several fields say together has no `field`: each of them was asked for
    itself, but others may ask for it in one. What a case establishes is new, and isn't asked."""
    streams = sorted(mapping.streams)
    roles = sorted({name for stream in mapping.streams.values() for name in stream.roles})
    attributes = sorted(mapping.beliefs)
    for key, stream in mapping.streams.items():
        for name, role in stream.roles.items():
            for attribute, fields in role.says.items():
                numbers = (streams.index(key), roles.index(name), attributes.index(attribute))
                field = fields[0] if len(fields) == 1 else None
                yield (*numbers, key, name, field, attribute, mapping.beliefs[attribute].authority)


def _numbered(questions: Sequence[Question]) -> str:
    """The statements that say something, with numbers in the place of texts: five million are compared by them.

    `learned` is a place in the order of arrival, each has its own: time, stream, partition, offset, role, place in a
    list, in bits. `moment` is the first such place of the same time.
    """
    roles = {(key, stream, name, role) for stream, role, _, key, name, *_ in questions}
    rows = ", ".join(f"('{key}', {stream}, '{name}', {role})" for key, stream, name, role in sorted(roles))
    return f"""
        create or replace temp table numbered as
        with role (stream_key, stream_no, named_as, role_no) as (values {rows}), placed as (
            select spoken.*, stream_no, role_no, hash(resolved_key) as person_hash,
                epoch_us(broker_time)::hugeint * {2**_PLACE_BITS}::hugeint as moment
            from spoken join role on role.stream_key = spoken.stream_key and role.named_as = spoken.named_as
        )
        select *, moment + list_position + 1024::hugeint * (role_no + 16::hugeint
            * (kafka_offset + {2**40} * (kafka_partition + 1024::hugeint * stream_no))) as learned
        from placed"""


def _submitted(questions: Sequence[Question]) -> Iterator[str]:
    """One row per value that a statement gives, by stream and role."""
    for (stream, role), asked in groupby(sorted(questions, key=itemgetter(0, 1, 2)), key=itemgetter(0, 1)):
        said = [*asked]
        numbers = ", ".join(str(attribute_no) for _, _, attribute_no, *_ in said)
        values = ", ".join(_value(attribute) for *_, attribute, _ in said)
        sources = ", ".join(_is_of(authority, key) for _, _, _, key, _, _, _, authority in said)
        yield f"""
            select * from (
                select person_hash, record_hash, stream_no, role_no, learned, moment, list_position,
                    unnest([{numbers}]) as attribute_no, unnest([{values}]) as value_hash,
                    unnest([{sources}]) as is_authority
                from numbered where stream_no = {stream} and role_no = {role}
            ) where value_hash is not null"""


def _value(attribute: str) -> str:
    """A hash of the value without case and repeated spaces; null where there is none."""
    text = f"lower(trim({attribute}::text))"
    plain = rf"case when contains({text}, '  ') then regexp_replace({text}, ' +', ' ', 'g') else {text} end"
    return f"case when {attribute} is not null then hash({plain}) end"


def _is_of(authority: str, stream_key: str) -> str:
    return "true" if authority == stream_key else f"source = '{authority}'"


_PLACE_BITS = 5 + 10 + 40 + 4 + 10

_FIRST = """
create or replace temp table first_submitted as
select person_hash, attribute_no, min_by(stream_no, learned) as stream_no, min_by(role_no, learned) as role_no,
    min_by(value_hash, learned) as value_hash, min_by(moment, learned) as moment, min(learned) as learned
from submitted semi join (from question where field is not null) as asked
    on submitted.stream_no = asked.stream_no and submitted.role_no = asked.role_no
        and submitted.attribute_no = asked.attribute_no
where list_position = 0
group by person_hash, record_hash, attribute_no
"""
"""What a record gives once for all members of a list is asked of the applicant."""

_ASKING = """
with known_here as (
    select first_submitted.*, known.learned as here_at, known.value_hash as here_value
    from first_submitted asof left join submitted as known
        on first_submitted.person_hash = known.person_hash and first_submitted.attribute_no = known.attribute_no
        and first_submitted.stream_no = known.stream_no and first_submitted.moment > known.learned
), found as (
    select known_here.*, known.learned as there_at, known.value_hash as there_value, known.stream_no as there_no
    from known_here asof left join (from submitted where is_authority) as known
        on known_here.person_hash = known.person_hash and known_here.attribute_no = known.attribute_no
        and known_here.moment > known.learned
)
select n.stream_key, n.kafka_partition, n.kafka_offset, n.certificate_id, n.record_key, n.named_as, q.field,
    q.attribute, n.event_date as asked_date, found.person_hash,
    coalesce(here_at, there_at) is not null as was_known,
    coalesce(here_value = found.value_hash, false) or coalesce(there_value = found.value_hash, false) as was_equal,
    case when there_at > coalesce(here_at, -1) then told.stream_key when here_at is not null then n.stream_key
        end as known_from_stream
from found
join numbered as n on n.learned = found.learned
join question as q on q.stream_no = found.stream_no and q.role_no = found.role_no
    and q.attribute_no = found.attribute_no
left join (select distinct stream_no, stream_key from question) as told on told.stream_no = there_no
"""
