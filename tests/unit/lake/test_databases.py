"""A person in a PostgreSQL: found in every kind of value, and gone from the server's files too."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from datacentre.pseudonym import PseudonymKey
from datacentre.services import postgresql
from datacentre.settings import Settings, from_environment
from lake.databases import columns_holding, take_out_of_database
from lake.person import Person
from tests.identifier_search import files_holding

CID, OTHER = "11705551234", "11705559999"
KEY = PseudonymKey("k1", b"secret" * 8)
PERSON = Person(KEY.pseudonym(CID), KEY, ["^[1-3][0-9]{10}$"])
ESCAPED = CID.replace("7", "\\u0037")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    settings = from_environment(
        {
            "DATACENTRE_HOME": str(tmp_path_factory.mktemp("home")),
            "DATACENTRE_DATABASE": "postgresql",
            "DATACENTRE_POSTGRESQL_PORT": port,
        }
    )
    postgresql.start(settings)
    yield settings
    postgresql.stop(settings)


@pytest.fixture
def peopled(server: Settings) -> Iterator[tuple[Settings, sa.Engine]]:
    engine = sa.create_engine(server.control_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            'create table "told to" (id integer, note text, filed jsonb, raw bytea, names text[], count integer)'
        )
        connection.exec_driver_sql(
            """insert into "told to" values
                (1, %(note)s, %(filed)s, %(raw)s, %(names)s, 7), (2, %(other)s, null, null, null, 8)""",
            {
                "note": f"called {CID} " + "at length " * 500,
                "filed": f'{{"cid": "{ESCAPED}"}}',
                "raw": b"\xff" + CID.encode(),
                "names": [CID, OTHER],
                "other": OTHER,
            },
        )
        connection.exec_driver_sql("checkpoint")
    yield server, engine
    with engine.connect() as connection:
        connection.exec_driver_sql('drop table "told to"')
    engine.dispose()


def test_every_value_is_masked_and_no_file_of_the_server_keeps_it(peopled: tuple[Settings, sa.Engine]) -> None:
    settings, engine = peopled
    columns = {f"public.told to.{name}" for name in ("note", "filed", "raw", "names")}
    assert set(columns_holding(settings.control_url, PERSON)) == columns
    assert any("pg_wal" in Path(file).parts for file in files_holding(settings.home, CID))

    assert take_out_of_database(settings.control_url, PERSON) == 4

    assert columns_holding(settings.control_url, PERSON) == ()
    assert files_holding(settings.home, CID) == set()
    with engine.connect() as connection:
        kept, other = connection.exec_driver_sql('select * from "told to" order by id').fetchall()
    assert kept[1].startswith("called *********** at length")
    assert kept[2:] == ({"cid": "***********"}, b"\xff" + b"*" * 11, ["*" * 11, OTHER], 7)
    assert other[1] == OTHER


def test_where_nobody_is_found_nothing_is_written(server: Settings) -> None:
    assert take_out_of_database(server.control_url, PERSON) == 0
