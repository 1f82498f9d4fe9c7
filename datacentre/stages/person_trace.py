"""Where a person is: every published mart that names her, by pseudonym."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from datacentre.contracts import load_contracts
from datacentre.settings import Settings
from lake.marts import published


@dataclass(frozen=True)
class PersonPlaces:
    """Rows that name her, by mart; marts that don't are left out."""

    person_key: str
    datasets: Mapping[str, int]


def places_of(settings: Settings, person_key: str) -> PersonPlaces:
    """Looks into every column of the published marts that may hold a pseudonym, also into lists.

    Raises CheckFailed where nothing is built yet.
    """
    contracts = load_contracts(settings.schemas).values()
    pseudonyms = sorted({str(field.pseudonym_column) for contract in contracts for field in contract.pseudonymised})
    with duckdb.connect(str(published(settings.marts)), read_only=True) as connection:
        columns = connection.execute(
            """select table_name, list(row(column_name, data_type)) from duckdb_columns()
            where schema_name = 'marts' and list_contains($1, column_name) group by table_name order by table_name""",
            [pseudonyms],
        ).fetchall()
        counts = {table: _rows(connection, table, of_table, person_key) for table, of_table in columns}
    return PersonPlaces(person_key, {table: rows for table, rows in counts.items() if rows})


def _rows(connection: duckdb.DuckDBPyConnection, table: str, columns: list[tuple[str, str]], person_key: str) -> int:
    named = " or ".join(
        f"list_contains({name}, $1)" if kind.endswith("[]") else f"{name} = $1" for name, kind in columns
    )
    return int(connection.execute(f"select count(*) from marts.{table} where {named}", [person_key]).fetchall()[0][0])
