"""Make the statements of touched records: what stays is kept, what is new is read from landed rows and vault."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from datacentre.contracts import Contract
from datacentre.contracts.model import Field
from datacentre.pseudonym import PseudonymKey
from lake.certified_rows import CATALOG
from registry.golden.mapping import PersonMapping, Role, SpeakingStream
from registry.golden.source_rows import read_source_rows, said

ORDER = "row({0}event_date, coalesce({0}event_time, 'infinity'::timestamptz), {0}source, {0}event_id)"
"""Of a case's records by when they happened, never by when they came; a date alone counts as the end of its day."""

_ORIGIN = (
    "stream_key",
    "kafka_partition",
    "kafka_offset",
    "certificate_id",
    "record_key",
    "event_id",
    "source",
    "event_date",
    "event_time",
    "broker_time",
    "record_hash",
)
_SAME_PLACE = """t.stream_key = d.stream_key and t.kafka_partition = d.kafka_partition
    and t.kafka_offset = d.kafka_offset"""


def derive_statements(
    connection: duckdb.DuckDBPyConnection,
    lake: Path,
    mapping: PersonMapping,
    contracts: Mapping[str, Contract],
    key: PseudonymKey,
) -> None:
    """Leave the statements of `touched_record` as they now are, as temporary table `restated`.

    `draft` holds what they were; of what stays in it nothing is read again. `said_before` keeps that.
    """
    connection.execute("create or replace temp table said_before as from draft")
    connection.execute(
        """create or replace temp table touched_person as
        select resolved_key as person_key from draft where resolved_key is not null"""
    )
    connection.execute("create or replace temp table restated as from statement limit 0")
    for stream_key, stream in mapping.streams.items():
        _Stream(connection, lake, contracts[stream_key], stream).derive(key)


def replace_statements(connection: duckdb.DuckDBPyConnection) -> None:
    """Put `restated` into `statement`; leaves `touched_person`, everybody of whom the records spoke or speak.

    Of a record that lost nothing only what is new is written.
    """
    connection.execute(
        """create or replace temp table replaced_record as
        select record_hash from (from said_before except from restated)
        union (from touched_record except select record_hash from said_before)"""
    )
    connection.execute("delete from statement where record_hash in (from replaced_record)")
    connection.execute("insert into statement by name from restated where record_hash in (from replaced_record)")
    connection.execute(
        """insert into statement by name
        from (from restated anti join replaced_record using (record_hash)) except from said_before"""
    )
    connection.execute(
        """create or replace temp table touched_person as
        select person_key from touched_person union
        select resolved_key from restated where resolved_key is not null"""
    )


class _Stream:
    """The touched records of one stream."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, stream: SpeakingStream):
        self._connection, self._lake, self._contract, self._stream = connection, lake, contract, stream
        self._is_establishing = any(role.establishes for role in stream.roles.values())

    def derive(self, key: PseudonymKey) -> None:
        self._keep_standing()
        if self._connection.execute("select exists (from wanted)").fetchall() == [(True,)]:
            self._read(key)
        self._finish()

    def _read(self, key: PseudonymKey) -> None:
        """Add to the draft what the rows of `wanted` say."""
        read_source_rows(self._connection, self._lake, self._contract, self._fields(), key)
        self._carry()
        for name, role in self._stream.roles.items():
            is_list = self._contract.field(role.number).type == "array"
            self._connection.execute(self._of_role(name, role, is_list))
            if is_list and role.establishes:
                self._connection.execute(self._of_unnamed(name, role))

    def _keep_standing(self) -> None:
        """Drop from the draft what no longer stands; `wanted` are the rows to be read."""
        key, again = self._contract.key, "and t.mark < 1" if self._is_establishing else ""
        self._connection.execute(
            f"""delete from draft as d where d.stream_key = '{key}' and not exists (from row_of_record as t
            where {_SAME_PLACE} and t.certificate_id = d.certificate_id and t.is_standing {again})"""
        )
        may_establish = "or t.mark = 1" if self._is_establishing else ""
        self._connection.execute(
            f"""create or replace temp table wanted as
            select kafka_partition, kafka_offset, certificate_id, record_hash, mark, has_identity
            from row_of_record as t
            where t.stream_key = '{key}' and t.is_standing and (t.has_identity {may_establish})
                and not exists (from draft as d where {_SAME_PLACE})"""
        )

    def _fields(self) -> tuple[Field, ...]:
        names: list[str] = []
        for role in self._stream.roles.values():
            names += [role.number, *(name for spoken in role.says.values() for name in spoken)]
        return tuple(self._contract.field(name) for name in dict.fromkeys(names))

    def _carry(self) -> None:
        """For each record that confirms its case, what the case has established by then: table `carried`."""
        names = sorted({name for role in self._stream.roles.values() for name in role.establishes.values()})
        values = "".join(f", last_value(l.{name} ignore nulls) over so_far as {name}" for name in names)
        if not names:
            return
        self._connection.execute(
            f"""create or replace temp table carried as
            select l.kafka_partition, l.kafka_offset{values}
            from {CATALOG}.{self._contract.key} as l
            join row_of_record as t on t.stream_key = '{self._contract.key}' and t.is_standing
                and t.kafka_partition = l.kafka_partition and t.kafka_offset = l.kafka_offset
            window so_far as (partition by t.record_hash order by {ORDER.format("l.")}
                rows between unbounded preceding and current row)
            qualify t.mark = 1"""
        )

    def _of_role(self, name: str, role: Role, is_list: bool) -> str:
        """One row per person whom a row of the source names in this role, or of whom it says something."""
        named, place = f"s.key_{role.number}", "0"
        identifiers = [f"s.{said(field)}" for field in self._spoken(role) if field.is_direct_identifier]
        if is_list:
            named, place, identifiers = f"unnest({named})", f"unnest(range(1, len({named}) + 1))", []
        establishes = {} if is_list else role.establishes
        speaks = [f"s.key_{role.number}", *identifiers, *(f"c.{field}" for field in establishes.values())]
        says = {a: self._text(fields) for a, fields in role.says.items()}
        says |= {a: f"c.{field}" for a, field in role.establishes.items()}
        return f"""insert into draft by name
            select {_columns("s")}, '{name}' as named_as, {place} as list_position, {named} as person_key,
                {named} as resolved_key, false as is_by_case{_as(says)}
            from source_row as s {self._with_carried(role)}
            where {" or ".join(f"{value} is not null" for value in speaks)}"""

    def _of_unnamed(self, name: str, role: Role) -> str:
        """A record that confirms its case speaks of those whom the case named last, where it names nobody itself."""
        establishes = {a: f"c.{field}" for a, field in role.establishes.items()}
        return f"""insert into draft by name
            with last_naming as (
                select record_hash, arg_max(row(kafka_partition, kafka_offset), {ORDER.format("")}) as place
                from draft
                where stream_key = '{self._contract.key}' and named_as = '{name}' and person_key is not null
                group by record_hash
            )
            select {_columns("s")}, '{name}' as named_as, d.list_position, d.person_key as resolved_key,
                true as is_by_case{_as(establishes)}
            from source_row as s {self._with_carried(role)}
            join last_naming as n on n.record_hash = s.record_hash and n.place <> row(s.kafka_partition, s.kafka_offset)
            join draft as d on d.stream_key = s.stream_key and d.record_hash = s.record_hash
                and d.named_as = '{name}' and row(d.kafka_partition, d.kafka_offset) = n.place
            where s.mark = 1"""

    def _finish(self) -> None:
        """Add to each draft what its whole case says: who it is about, and whether it is confirmed.

        Whom the case named before, and not when it named persons for the last time, isn't confirmed by it.
        """
        key = self._contract.key
        self._connection.execute(
            f"""insert into restated by name
            with of_case as (
                select record_hash, bool_or(mark = 1) and not bool_or(mark = -1) as is_confirmed,
                    bool_or(is_amending) as is_amending
                from row_of_record where stream_key = '{key}' and is_standing group by record_hash
            ), naming as (
                select record_hash, named_as, arg_max(row(kafka_partition, kafka_offset), {ORDER.format("")}) as place
                from draft where stream_key = '{key}' and person_key is not null group by record_hash, named_as
            ), named_last as (
                select d.record_hash, d.named_as, d.list_position, d.person_key
                from draft as d
                join naming as n on n.record_hash = d.record_hash and n.named_as = d.named_as
                    and n.place = row(d.kafka_partition, d.kafka_offset)
                where d.stream_key = '{key}'
            ), resolved as (
                select d.* replace (case when d.list_position > 0 then coalesce(d.person_key, d.resolved_key)
                        else coalesce(d.person_key, p.person_key) end as resolved_key),
                    c.is_confirmed as is_case_confirmed, c.is_amending as is_case_amending
                from draft as d
                join of_case as c on c.record_hash = d.record_hash
                left join named_last as p on d.list_position = 0 and p.list_position = 0
                    and p.record_hash = d.record_hash and p.named_as = d.named_as
                where d.stream_key = '{key}'
            )
            select r.* exclude (is_case_confirmed, is_case_amending) replace (
                r.person_key is null and r.resolved_key is not null as is_by_case,
                r.is_case_amending as is_amending,
                r.is_case_confirmed and (r.resolved_key is null or (r.record_hash, r.named_as, r.resolved_key) in
                    (select (record_hash, named_as, person_key) from named_last)) as is_confirmed)
            from resolved as r"""
        )

    def _spoken(self, role: Role) -> tuple[Field, ...]:
        return tuple(self._contract.field(name) for names in role.says.values() for name in names)

    def _text(self, names: tuple[str, ...]) -> str:
        """One field as it is, or several with spaces between where the first is there."""
        columns = [f"s.{said(self._contract.field(name))}" for name in names]
        if len(columns) == 1:
            return columns[0]
        return f"case when {columns[0]} is not null then concat_ws(' ', {', '.join(columns)}) end"

    def _with_carried(self, role: Role) -> str:
        if not role.establishes:
            return ""
        return "left join carried as c on c.kafka_partition = s.kafka_partition and c.kafka_offset = s.kafka_offset"


def _as(values: Mapping[str, str]) -> str:
    return "".join(f", {value} as {name}" for name, value in values.items())


def _columns(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _ORIGIN)
