"""A review side by side: what the record says, and what the registry holds of each candidate. Direct identifiers."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from datacentre.control.identity import Event
from registry.golden.derive import ORDER
from registry.golden.statements import ATTRIBUTES


@dataclass(frozen=True)
class Side:
    """`probability` is None for the record itself; `values` by attribute, the newest that was said."""

    person_key: str
    probability: float | None
    values: dict[str, str]


def sides(connection: duckdb.DuckDBPyConnection, review: Event) -> list[Side]:
    """The record first, then the candidates; from the work database of the registry."""
    place = [review.stream, review.kafka_partition, review.kafka_offset]
    own = """record_hash in (select record_hash from statement
        where stream_key = $1 and kafka_partition = $2 and kafka_offset = $3)"""
    found = [Side(str(review.other_key), None, _values(connection, own, place))]
    for key, probability in review.candidates:
        others = f"resolved_key = $4 and not ({own})"
        found.append(Side(key, probability, _values(connection, others, [*place, key])))
    return found


def _values(connection: duckdb.DuckDBPyConnection, where: str, given: Sequence[object]) -> dict[str, str]:
    newest = ", ".join(f"arg_max({name}, {ORDER.format('')})::text" for name in ATTRIBUTES)
    (row,) = connection.execute(f"select {newest} from statement where {where}", given).fetchall()
    return {name: value for name, value in zip(ATTRIBUTES, row, strict=True) if value is not None}


def places_of_case(connection: duckdb.DuckDBPyConnection, link: Event) -> tuple[str, list[tuple[str, int, int]]]:
    """Stream, source and event id of the earliest record of the case of a linked record; the places of all of them."""
    rows = connection.execute(
        f"""select concat_ws('/', stream_key, source, event_id), stream_key, kafka_partition, kafka_offset
        from statement
        where record_hash in (select record_hash from statement
            where stream_key = $1 and kafka_partition = $2 and kafka_offset = $3) and list_position = 0
        order by {ORDER.format("")}""",
        [link.stream, link.kafka_partition, link.kafka_offset],
    ).fetchall()
    return (rows[0][0] if rows else ""), [(row[1], row[2], row[3]) for row in rows]
