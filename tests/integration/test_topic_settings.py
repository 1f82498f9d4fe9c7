"""What an erasure changes of a topic's settings is changed back, however the erasure ends."""

from contextlib import closing

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from connectors.topic_erasure import letting_go_soon
from connectors.topic_settings import set_meanwhile
from datacentre.errors import CheckFailed
from datacentre.settings import Settings

pytestmark = pytest.mark.broker
ONE, OTHER = "dot__departures", "dot__exit_survey"
DELAY = "file.delete.delay.ms"


def own_settings(bootstrap_servers: str, topics: list[str], *names: str) -> dict[tuple[str, str], str]:
    """By topic and name, what a topic has set itself."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
        told = admin.describe_configs(asked)["topic"]
    return {
        (topic, name): found["value"]
        for topic in topics
        for name, found in told[topic].items()
        if name in names and found["config_source"] == "DYNAMIC_TOPIC_CONFIG"
    }


@pytest.fixture
def bootstrap_servers(centre: Settings) -> str:
    return centre.bootstrap_servers


def fail(bootstrap_servers: str, during: dict[tuple[str, str], str]) -> None:
    """Notes the settings that hold meanwhile."""
    with letting_go_soon(bootstrap_servers, [ONE, OTHER]):
        during |= own_settings(bootstrap_servers, [ONE, OTHER], DELAY)
        raise CheckFailed("files hold the identifier still")


def test_a_failing_erasure_leaves_each_topic_what_it_had(bootstrap_servers: str) -> None:
    during: dict[tuple[str, str], str] = {}
    with set_meanwhile(bootstrap_servers, [OTHER], DELAY, "30000"):
        with pytest.raises(CheckFailed, match="still"):
            fail(bootstrap_servers, during)
        after = own_settings(bootstrap_servers, [ONE, OTHER], DELAY)
    assert during == {(ONE, DELAY): "1000", (OTHER, DELAY): "1000"}
    assert after == {(OTHER, DELAY): "30000"}
    assert own_settings(bootstrap_servers, [ONE, OTHER], DELAY) == {}


def test_what_a_killed_erasure_left_is_unset_by_the_next(bootstrap_servers: str) -> None:
    killed = letting_go_soon(bootstrap_servers, [ONE])
    killed.__enter__()
    with letting_go_soon(bootstrap_servers, [ONE, OTHER]):
        pass
    assert own_settings(bootstrap_servers, [ONE, OTHER], DELAY) == {}
