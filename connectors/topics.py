"""Topics: created from the contracts, described by their ids."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import (
    BrokerResponseError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from datacentre import names
from datacentre.contracts import Contract
from datacentre.errors import SourceUnavailable

BOOTSTRAP_MS = 5_000
"""How long a broker may take to answer for the first time before the user is told that none does."""

_HOUR_MS = 3_600_000
_KNOWN_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Topic:
    """A topic as the broker has it; offsets by partition, `end` exclusive and only what is committed."""

    name: str
    identity: str
    first_offsets: Mapping[int, int]
    end_offsets: Mapping[int, int]

    @property
    def partitions(self) -> tuple[int, ...]:
        return tuple(sorted(self.first_offsets))

    def in_lake(self, bases: Mapping[int, int]) -> "Topic":
        """The same with offsets as the lake counts them: a topic made anew begins at a base above the old ones."""
        first = {p: offset + bases.get(p, 0) for p, offset in self.first_offsets.items()}
        end = {p: offset + bases.get(p, 0) for p, offset in self.end_offsets.items()}
        return replace(self, first_offsets=first, end_offsets=end)


class _AdminClient(KafkaAdminClient):  # type: ignore[misc]
    """kafka-python 3.0.12 leaves its thread running where no broker answers; it would hold up the program's end."""

    def __init__(self, **options: Any):
        try:
            super().__init__(**options)
        except BaseException:
            if hasattr(self, "_net"):
                self._net.stop()
            raise


def admin_client(bootstrap_servers: str) -> KafkaAdminClient:
    """Raises SourceUnavailable in one line when no broker answers."""
    try:
        return _AdminClient(
            bootstrap_servers=bootstrap_servers, client_id="datacentre-admin", bootstrap_timeout_ms=BOOTSTRAP_MS
        )
    except (KafkaError, OSError, ValueError) as problem:
        raise unreachable(bootstrap_servers, problem) from None


def unreachable(bootstrap_servers: str, problem: Exception) -> SourceUnavailable:
    """What to tell the user of a client's failure: mostly that nobody answers, else the broker's own words."""
    if isinstance(problem, BrokerResponseError):
        return SourceUnavailable(f"the Kafka broker at {bootstrap_servers} refuses: {' '.join(str(problem).split())}")
    return SourceUnavailable(
        f"no Kafka broker answers at {bootstrap_servers} ({type(problem).__name__}). Start the local one "
        f"with: datacentre up kafka, or set KAFKA_BOOTSTRAP_SERVERS to a broker"
    )


def create_topics(bootstrap_servers: str, contracts: Iterable[Contract]) -> tuple[str, ...]:
    """Create the topics that are missing; returns their names once the broker can describe them.

    Raises SourceUnavailable where it doesn't within 30 seconds.
    """
    admin = admin_client(bootstrap_servers)
    created = []
    try:
        existing = set(admin.list_topics())
        for contract in contracts:
            name = names.topic(contract.key)
            if name in existing:
                continue
            try:
                admin.create_topics([_new_topic(name, contract)])
            except TopicAlreadyExistsError:
                continue
            created.append(name)
        _wait_for(admin, created)
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        admin.close()
    return tuple(created)


def _new_topic(name: str, contract: Contract) -> NewTopic:
    return NewTopic(
        name,
        num_partitions=contract.partitions,
        replication_factor=1,
        topic_configs=topic_settings(contract),
    )


def _wait_for(admin: KafkaAdminClient, created: Sequence[str]) -> None:
    """A broker confirms a topic a moment before its own list of topics has it."""
    deadline = time.monotonic() + _KNOWN_SECONDS
    missing = set(created)
    while missing:
        described = admin.describe_topics(sorted(missing))
        missing -= {t["name"] for t in described if t["error_code"] == NoError.errno and t["partitions"]}
        if missing and time.monotonic() > deadline:
            raise SourceUnavailable(f"created, but not known to the broker: {', '.join(sorted(missing))}; try again")
        time.sleep(_PAUSE_SECONDS if missing else 0)


def topic_settings(contract: Contract) -> dict[str, str]:
    """What the broker is told of a topic."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(contract.topic_retention_hours * _HOUR_MS),
        # The broker's clock dates the rows, so that a sender's wrong clock makes no partitions.
        "message.timestamp.type": "LogAppendTime",
    }


def describe_topics(bootstrap_servers: str, contracts: Iterable[Contract]) -> dict[str, Topic]:
    """Identity and offsets of each contract's topic, by stream key; a topic that doesn't exist is left out.

    Raises SourceUnavailable where the broker can't say whether there is one.
    """
    keys = [contract.key for contract in contracts]
    admin = admin_client(bootstrap_servers)
    try:
        cluster_id = admin.describe_cluster()["cluster_id"]
        described = {t["name"]: t for t in admin.describe_topics([names.topic(k) for k in keys])}
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        admin.close()
    for name, topic in described.items():
        if topic["error_code"] not in (NoError.errno, UnknownTopicOrPartitionError.errno):
            raise SourceUnavailable(
                f"{name}: the broker can't describe the topic: {for_code(topic['error_code']).__name__}"
            )
    keys = [k for k in keys if described.get(names.topic(k), {}).get("error_code") == NoError.errno]
    parts = {k: [p["partition_index"] for p in described[names.topic(k)]["partitions"]] for k in keys}
    first, end = _offsets(bootstrap_servers, parts)
    return {
        k: Topic(names.topic(k), f"{cluster_id}/{described[names.topic(k)]['topic_id']}", first[k], end[k])
        for k in keys
    }


def _offsets(
    bootstrap_servers: str, partitions: Mapping[str, list[int]]
) -> tuple[dict[str, dict[int, int]], dict[str, dict[int, int]]]:
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            bootstrap_timeout_ms=BOOTSTRAP_MS,
        )
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    try:
        every = [TopicPartition(names.topic(k), p) for k, ps in partitions.items() for p in ps]
        first, end = consumer.beginning_offsets(every), consumer.end_offsets(every)
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        consumer.close()
    return (
        {k: {p: first[TopicPartition(names.topic(k), p)] for p in ps} for k, ps in partitions.items()},
        {k: {p: end[TopicPartition(names.topic(k), p)] for p in ps} for k, ps in partitions.items()},
    )
