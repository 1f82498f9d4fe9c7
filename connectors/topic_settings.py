"""A topic's own settings, changed for a while."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from kafka import KafkaAdminClient
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from connectors.topics import admin_client, unreachable
from datacentre.errors import SourceUnavailable

_OF_THE_TOPIC = "DYNAMIC_TOPIC_CONFIG"


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
