"""The cases whose person is in doubt: no number, a number that nobody is registered under, or somebody else's."""

from dataclasses import dataclass

import duckdb

from registry.golden.derive import ORDER
from registry.identity.tables import Speakers
from registry.identity.told_rows import summed_up

Place = tuple[str, int, int]
"""Stream, partition, offset."""


@dataclass(frozen=True)
class Case:
    """Records of one case that speak of one person. `founder` is stream, source and event id of the earliest;
    `founded_key` the person of its own that it was given before."""

    record_hash: int
    number: str | None
    founder: str
    places: tuple[Place, ...]
    is_contradicting: bool
    founded_key: str | None


def follow_cases(connection: duckdb.DuckDBPyConnection, speakers: Speakers) -> list[tuple[Place, str, str | None]]:
    """Records that came after others of their case were linked: place, whom the others were linked to, own number."""
    _place(connection, speakers)
    rows = connection.execute(
        """select stream_key, kafka_partition, kafka_offset, case_key, person_key from placed_row
        where linked_key is null and case_key is not null
            and (person_key is null or person_key not in (from known_person)
                or list_contains(placed_numbers, person_key))
        order by all"""
    ).fetchall()
    return [((stream, partition, offset), key, number) for stream, partition, offset, key, number in rows]


def _place(connection: duckdb.DuckDBPyConnection, speakers: Speakers) -> None:
    """`placed_row`: rows of telling roles with whom they and their case were linked to."""
    connection.execute(
        f"""create or replace temp table placed_row as
        select told.*, l.linked_key, l.person_key as final_key,
            arg_max(l.linked_key, l.event_number) over of_case as case_key,
            list(told.person_key) filter (where l.linked_key is not null) over of_case as placed_numbers,
            arg_max(told.person_key, {ORDER.format("told.")}) over of_case as number,
            bool_or(told.full_name is not null and told.birth_date is not null) over of_case as is_telling
        from told
        left join person_link as l on l.replaced_by is null and l.stream_key = told.stream_key
            and l.kafka_partition = told.kafka_partition and l.kafka_offset = told.kafka_offset
        where (told.stream_key, named_as) in ({speakers.telling})
        window of_case as (partition by record_hash)"""
    )


def open_cases(connection: duckdb.DuckDBPyConnection) -> list[Case]:
    """Leaves `open_case`, what each says in one form. Cases of `again` are looked at once more, though they were given
    a person of their own."""
    connection.execute(
        """create or replace temp table doubted as
        select p.* from placed_row as p
        where is_telling and (
            case when case_key is not null then record_hash in (from again) and linked_key = final_key
                when coalesce(person_key, number) is null then true
                else coalesce(person_key, number) not in (from known_person)
                    or row(record_hash, coalesce(person_key, number)) in (select row(record_hash, person_key)
                        from contradiction) end)"""
    )
    connection.execute("create or replace temp view doubted_row as select *, true as is_firm from doubted")
    connection.execute(
        f"""create or replace temp table open_case as
        select *, (select max(coalesce(person_key, number)) from doubted as d where d.record_hash = s.record_hash)
            as number
        from ({summed_up("doubted_row", "record_hash")}) as s"""
    )
    rows = connection.execute(
        f"""select record_hash, max(coalesce(person_key, number)), arg_min(concat_ws('/', stream_key, source, event_id),
            {ORDER.format("")}), list(row(stream_key, kafka_partition, kafka_offset) order by kafka_partition,
            kafka_offset), record_hash in (select record_hash from contradiction), any_value(linked_key)
        from doubted group by record_hash order by record_hash"""
    ).fetchall()
    return [Case(r[0], r[1], r[2], tuple(tuple(p) for p in r[3]), r[4], r[5]) for r in rows]
