"""A centre that has certified events of persons: vault tables, and the copy of the landed rows, without a sink.

Both are written as the sink and the build before leave them, straight from SQL: decoding five million messages would
take longer than what is measured, and has a bench of its own.
"""

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors.sources.simulation.population import Population
from connectors.sources.simulation.reference import read_reference
from datacentre.contracts import Contract, load_contracts
from datacentre.contracts.columns import vault_schema
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings, from_environment
from lake.certified_rows import certified_file, follow_certificates
from lake.commit import append
from lake.commit_log import CommitLog
from lake.tables import create_table
from registry.golden.mapping import load_mapping

CARD, MOVE, VISIT, RATING = (
    "dcrc__cid_issuance",
    "dcrc__census_transfer",
    "jdwnrh__hospital_visit",
    "rcsc__service_feedback",
)
EVENTS_PER_PERSON = 6.25
_FIRST_DAY = date(2024, 1, 1)
_BATCH = 250_000
_NAMES = 1_000
_SEED = 2026


def _number(person: str) -> str:
    return f"(10_000_000_000 + {person})::text"


_SHARES = (
    f"case when case_number % 50 < 16 then '{CARD}' when case_number % 50 < 20 then '{MOVE}' "
    f"when case_number % 50 < 45 then '{VISIT}' else '{RATING}' end"
)

# Two steps a case; the sixteen cards of every fifty cases go through the people one after the other. Of a hundred
# visits three have no number and two a mistyped one: a digit of it is another, so that it may be somebody else's.
_EVENTS = f"""
create or replace temp table event as
with numbered as (
    select n, n // 2 as case_number, n % 2 as step from range($first, $first + $count) as r(n)
), cases as (
    select *, {_SHARES} as stream_key,
        case when case_number % 50 < 16 then (case_number // 50 * 16 + case_number % 50) % $people
            else hash(case_number) % $people end as person,
        hash(case_number, 'number') % 100 as chance
    from numbered
), named as (
    select *, {_number("person")} as own_number, {_number("(person + 1) % $people")} as next_number,
        10 ** (hash(case_number, 'digit') % 11) as place
    from cases
), typed as (
    select *, case when stream_key <> '{VISIT}' or chance >= 5 then own_number
        when chance < 2 then (own_number::bigint
            + case when own_number::bigint // place::bigint % 10 = 9 then -1 else 1 end * place::bigint)::text
        end as number
    from named
)
select *, sha256(number) as person_key, stream_key || '-' || case_number as record_key,
    stream_key || '-' || case_number || '-' || step || $suffix as event_id,
    (case_number % 3)::integer as kafka_partition,
    date '1950-01-01' + (hash(person, 'birth') % 20000)::integer as birth_date,
    row_number() over (partition by stream_key, case_number % 3 order by n) - 1 as kafka_place
from typed
join given on given.place_in_list = hash(person, 'given') % {_NAMES}
join family on family.place_in_list = hash(person, 'family') % {_NAMES}
"""

_LANDED = """
    e.kafka_partition, e.kafka_offset, $day::timestamptz + to_seconds(e.n % 80000) as broker_time, $day as ingest_date,
    e.record_key, false as is_deleted, true as has_identity, '1.0.0' as schema_version, e.event_id, 'bench' as source,
    $day::timestamptz + to_seconds(e.n % 80000) as event_time, $day as event_date, $certificate as certificate_id
"""
_OWN = {
    CARD: """case step when 0 then 'submitted' else 'handed_over' end as step, 'renewal' as application_type,
        case when step = 0 then 'BT1405' end as permanent_gewog_code, case when step = 0 then 'F' end as sex,
        person_key""",
    MOVE: """case step when 0 then 'submitted' else 'registered' end as step,
        case when step = 0 then 'BT0803' end as to_gewog_code, person_key,
        case when step = 0 then [sha256(next_number)] end as member_person_keys""",
    VISIT: "case step when 0 then 'booked' else 'arrived' end as event, 'F' as sex, person_key",
    RATING: "5 as rating, person_key",
}
_IDENTITY = {
    CARD: """number as cid, case when step = 0 then given_name end as given_name,
        case when step = 0 then family_name end as family_name, case when step = 0 then birth_date end as birth_date,
        case when step = 0 then 'village ' || person % 3000 end as village""",
    MOVE: """number as applicant_cid, case when step = 0 then [next_number] end as member_cids,
        case when step = 0 then '14-' || person // 4 end as household_number""",
    VISIT: """number as cid, concat_ws(' ', given_name, family_name) as patient_name, birth_date,
        '+97517' || lpad((hash(person, n % 40 = 0) % 1000000)::text, 6, '0') as phone,
        (100000 + person)::text as hospital_number""",
    RATING: "number as cid",
}


class BenchCentre:
    """An empty home that takes events by number; each batch is one commit and one certificate per stream."""

    def __init__(self, home: Path, people: int):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        self.settings: Settings = from_environment({"DATACENTRE_HOME": str(home)})
        contracts = load_contracts(self.settings.schemas)
        self.mapping = load_mapping(self.settings.schemas, contracts)
        self.contracts: dict[str, Contract] = {key: contracts[key] for key in self.mapping.streams}
        load_or_create(home, is_in_use=False)
        self._people, self._days, self._certificates = people, 0, 0
        self._next: dict[tuple[str, int], int] = {}
        self.settings.marts.mkdir()
        self._logs = {
            key: CommitLog(create_table(self.settings.lake, contract, "vault", "bench/bench"))
            for key, contract in self.contracts.items()
        }
        follow_certificates(self.copy, self.settings.lake, self.contracts, dict.fromkeys(self.contracts, ()))

    @property
    def copy(self) -> Path:
        return certified_file(self.settings.marts)

    def grow(self, first: int, count: int) -> None:
        """The events `[first, first + count)`; every two of them are a case."""
        for start in range(first, first + count, _BATCH):
            self._grow(start, min(_BATCH, first + count - start), "")

    def go_on(self, first: int, count: int) -> None:
        """New events, half of them of cases that are there already."""
        self._grow(first, count // 2, "")
        self._grow(first // 3 // 2 * 2, count // 2, f"-again-{first}")

    def _grow(self, first: int, count: int, suffix: str) -> None:
        self._days += 1
        with duckdb.connect(str(self.copy)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            _name(connection, self.settings)
            connection.execute(_EVENTS, {"first": first, "count": count, "people": self._people, "suffix": suffix})
            for key, contract in self.contracts.items():
                self._certificates += 1
                self._write(connection, key, contract)

    def _write(self, connection: duckdb.DuckDBPyConnection, key: str, contract: Contract) -> None:
        starts = {p: self._next.get((key, p), 0) for p in range(3)}
        connection.execute(
            """create or replace temp table placed as
            select *, kafka_place + [$a, $b, $c][kafka_partition + 1] as kafka_offset
            from event where stream_key = $key""",
            {"a": starts[0], "b": starts[1], "c": starts[2], "key": key},
        )
        given = {"day": _FIRST_DAY + timedelta(days=self._days), "certificate": self._certificates}
        connection.execute(
            f"insert into {key} by name select {_LANDED}, {_OWN[key]} from placed as e order by kafka_partition, n",
            given,
        )
        ends = connection.execute(
            "select kafka_partition, max(kafka_offset) + 1 from placed group by kafka_partition"
        ).fetchall()
        for partition, following in ends:
            connection.execute(
                "insert into copied_range values ($1, $2, $3, $4, $5)",
                [key, self._certificates, partition, starts[partition], following],
            )
            self._next[key, partition] = following
        self._write_vault(connection, key, contract, given, starts)

    def _write_vault(
        self,
        connection: duckdb.DuckDBPyConnection,
        key: str,
        contract: Contract,
        given: dict[str, object],
        starts: dict[int, int],
    ) -> None:
        rows = connection.sql(
            f"""select kafka_partition, kafka_offset, $day::timestamptz as broker_time, $day as ingest_date, record_key,
            person_key, {_IDENTITY[key]} from placed order by kafka_partition, n""",
            params={"day": given["day"]},
        ).to_arrow_table()
        schema = vault_schema(contract)
        columns = [
            rows[f.name].cast(f.type) if f.name in rows.column_names else pa.nulls(rows.num_rows, f.type)
            for f in schema
        ]
        ranges = {p: (starts[p], self._next[key, p]) for p in starts if self._next.get((key, p), 0) > starts[p]}
        append(self._logs[key], pa.Table.from_arrays(columns, schema=schema), ranges, "bench")


def _name(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Given and family names as frequent as among simulated citizens."""
    citizens = Population(read_reference(settings.reference), _SEED, _NAMES).people[:_NAMES]
    for table, names in (("given", [p.given_name for p in citizens]), ("family", [p.family_name for p in citizens])):
        rows = pa.table({"place_in_list": range(_NAMES), f"{table}_name": pa.array(names, pa.string())})
        connection.register("names", rows)
        connection.execute(f"create or replace temp table {table} as from names")
        connection.unregister("names")
