"""One broker per test run; every test that needs it gets a home and topics of its own."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from connectors.topics import create_topics
from datacentre.contracts import Contract, load_contracts
from datacentre.services import kafka
from datacentre.settings import REPOSITORY, Settings, from_environment

SHARED_DATA = REPOSITORY.parent / "shared" / "data"


_LANES = {"broker": "broker", "postgres": "broker", "airflow_settings": "airflow"}
"""By fixture of the whole run: the process that has it to itself."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a server stays in one process, all else goes file by file; servers first, they take longest."""
    lanes = {item: _lane(item) for item in items}
    for item, lane in lanes.items():
        item.add_marker(pytest.mark.xdist_group(lane))
    items.sort(key=lambda item: lanes[item] not in _LANES.values())


def _lane(item: pytest.Item) -> str:
    used = set(getattr(item, "fixturenames", ()))
    return next((lane for fixture, lane in _LANES.items() if fixture in used), item.nodeid.partition("::")[0])


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts(REPOSITORY / "schemas")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a home whose Kafka runs for the whole test run."""
    home = tmp_path_factory.mktemp("broker")
    port = two_free_ports()
    settings = from_environment({"DATACENTRE_HOME": str(home), "DATACENTRE_KAFKA_PORT": str(port)})
    kafka.start(settings)
    yield settings
    kafka.stop(settings)


@pytest.fixture
def centre(broker: Settings, contracts: dict[str, Contract], tmp_path: Path) -> Settings:
    """An empty centre: its own home, fresh topics for every contract, small and quick flushes."""
    fresh_topics(broker.bootstrap_servers, contracts)
    return replace(
        broker,
        home=tmp_path,
        control_url=f"sqlite:///{tmp_path / 'control.sqlite'}",
        flush_rows=5_000,
        flush_seconds=0.3,
    )


def command_environment(centre: Settings) -> dict[str, str]:
    """The environment in which the program finds this centre, whatever the caller's is."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("DATACENTRE_", "KAFKA_"))}
    return own | {"DATACENTRE_HOME": str(centre.home), "DATACENTRE_KAFKA_PORT": str(centre.kafka_port)}


def fresh_topics(bootstrap_servers: str, contracts: dict[str, Contract]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        existing = [t for t in admin.list_topics() if "__" in t[1:]]
        if existing:
            admin.delete_topics(existing)
    finally:
        admin.close()
    create_topics(bootstrap_servers, contracts.values())


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the public files are not at {SHARED_DATA}")
    return SHARED_DATA


def two_free_ports() -> int:
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return int(port)
