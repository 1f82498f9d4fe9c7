"""The machine of a run: one local broker in a home of its own, a topic, and a fresh lake for every measurement."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kafka.admin import NewTopic

from connectors.topics import admin_client, create_topics, describe_topics
from datacentre import names
from datacentre.contracts import Contract, load_contracts
from datacentre.services import kafka, process
from datacentre.settings import Settings, from_environment

STREAM = "jdwnrh__hospital_visit"


@dataclass(frozen=True)
class Box:
    """Where a run works: `settings` are those of the home that the broker belongs to."""

    settings: Settings
    contracts: Mapping[str, Contract]

    @property
    def servers(self) -> str:
        return self.settings.bootstrap_servers

    @property
    def broker_pid(self) -> int | None:
        """The broker's process, to tell its CPU time from that of what is measured."""
        running = process.running(self.settings.run, kafka.NAME)
        return running.pid if running else None

    @property
    def stream(self) -> Contract:
        """The stream that the throughput figures are taken on."""
        return self.contracts[STREAM]

    def fresh_folder(self, name: str) -> Path:
        """An empty folder of this home."""
        folder = self.settings.home / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def fresh_centre(self, name: str) -> Settings:
        """Settings of an empty home whose lake is fed by this box's broker."""
        home = self.fresh_folder(name)
        return replace(self.settings, home=home, control_url=f"sqlite:///{home / 'control.sqlite'}")

    def fresh_topics(self, contracts: Iterable[Contract]) -> None:
        """Delete what these topics hold and create them as their contracts say."""
        chosen = list(contracts)
        self.delete_topics(names.topic(c.key) for c in chosen)
        create_topics(self.servers, chosen)

    def fresh_plain_topic(self, name: str, partitions: int) -> None:
        """An empty topic that no contract describes."""
        self.delete_topics([name])
        admin = admin_client(self.servers)
        try:
            admin.create_topics([NewTopic(name=name, num_partitions=partitions, replication_factor=1)])
        finally:
            admin.close()

    def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete those of `topics` that exist."""
        admin = admin_client(self.servers)
        try:
            known = set(admin.list_topics())
            doomed = [topic for topic in topics if topic in known]
            if doomed:
                admin.delete_topics(doomed)
        finally:
            admin.close()

    def end_offsets(self, contract: Contract) -> dict[int, int]:
        """Next offset the topic will give, by partition; empty when there is no topic."""
        topic = describe_topics(self.servers, [contract]).get(contract.key)
        return dict(topic.end_offsets) if topic else {}


@contextmanager
def opened(home: Path, port: int) -> Iterator[Box]:
    """A box with its broker running; the broker is stopped at the end if this call started it."""
    environment = {"DATACENTRE_HOME": str(home), "DATACENTRE_KAFKA_PORT": str(port)}
    settings = from_environment({**os.environ, **environment, "KAFKA_BOOTSTRAP_SERVERS": ""})
    home.mkdir(parents=True, exist_ok=True)
    was_running = kafka.answers(settings.bootstrap_servers)
    if not was_running:
        kafka.start(settings)
    try:
        yield Box(settings, load_contracts(settings.schemas))
    finally:
        if not was_running:
            kafka.stop(settings)


def centre_environment(centre: Settings, **extra: str) -> dict[str, str]:
    """The environment in which the program works for `centre`, whatever the caller's is."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("DATACENTRE_", "KAFKA_"))}
    return own | {
        "DATACENTRE_HOME": str(centre.home),
        "DATACENTRE_KAFKA_PORT": str(centre.kafka_port),
        "KAFKA_BOOTSTRAP_SERVERS": centre.bootstrap_servers,
        **extra,
    }
