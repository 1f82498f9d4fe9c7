"""A topic's own settings: those of its contract for good, others for a while."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from kafka import KafkaAdminClient
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from connectors.topics import admin_client, topic_settings, unreachable
from datacentre import names
from datacentre.contracts import Contract
from datacentre.errors import SourceUnavailable

_OF_THE_TOPIC = "DYNAMIC_TOPIC_CONFIG"


def keep_to_contract(bootstrap_servers: str, contracts: Iterable[Contract]) -> dict[str, dict[str, str]]:
    """Give every topic that exists its contract's settings; returns those that were different, by stream key.

    Raises SourceUnavailable when the broker refuses or doesn't answer.
    """
    with _admin(bootstrap_servers) as admin:
        existing = set(admin.list_topics())
        there = [c for c in contracts if names.topic(c.key) in existing]
        return {c.key: changed for c in there if (changed := _keep(admin, c))}


def _keep(admin: KafkaAdminClient, contract: Contract) -> dict[str, str]:
    topic, wanted = names.topic(contract.key), topic_settings(contract)
    told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])["topic"][topic]
    changed = {n: value for n, value in wanted.items() if told.get(n, {}).get("value") != value}
    for name, value in changed.items():
        _alter(admin, name, {topic: value})
    return changed


@contextmanager
def set_meanwhile(bootstrap_servers: str, topics: Sequence[str], name: str, value: str) -> Iterator[None]:
    """Give the topics a setting, and at the end, however it comes, what they had before.

    A topic that has this very value got it from a process that was killed: it ends without. Raises SourceUnavailable
    when the broker refuses or doesn't answer.
    """
    with _admin(bootstrap_servers) as admin:
        before = _own(admin, topics, name)
        _alter(admin, name, dict.fromkeys(topics, value))
    try:
        yield
    finally:
        with _admin(bootstrap_servers) as admin:
            _alter(admin, name, {topic: None if before[topic] == value else before[topic] for topic in topics})


@contextmanager
def _admin(bootstrap_servers: str) -> Iterator[KafkaAdminClient]:
    admin = admin_client(bootstrap_servers)
    try:
        yield admin
    except KafkaError as problem:
        raise unreachable(bootstrap_servers, problem) from None
    finally:
        admin.close()


def _own(admin: KafkaAdminClient, topics: Sequence[str], name: str) -> dict[str, str | None]:
    """By topic, what it has set itself; None where the broker's own value counts."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {name: None}) for topic in topics]
    answer = admin.describe_configs(asked).get("topic", {}) if asked else {}
    found = {topic: answer.get(topic, {}).get(name, {}) for topic in topics}
    return {topic: c["value"] if c.get("config_source") == _OF_THE_TOPIC else None for topic, c in found.items()}


def _alter(admin: KafkaAdminClient, name: str, values: Mapping[str, str | None]) -> None:
    """Set it, or unset it where the value is None."""
    changes = {t: (AlterConfigOp.DELETE if v is None else AlterConfigOp.SET, v) for t, v in values.items()}
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {name: change}) for topic, change in changes.items()]
    answer = admin.alter_configs(asked)["topic"] if asked else {}
    if refused := {topic: said for topic, said in answer.items() if said != "OK"}:
        raise SourceUnavailable(f"the broker refuses to change {name} of topics: {refused}")
