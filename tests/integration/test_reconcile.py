"""A difference between topic and lake is an alert; a source that doesn't answer is none."""

import shutil
from dataclasses import replace

import pytest

from connectors import topics
from datacentre.contracts import Contract
from datacentre.control.alerts import open_alerts
from datacentre.control.store import opened
from datacentre.errors import CheckFailed, SourceUnavailable
from datacentre.settings import Settings
from datacentre.stages.land import land
from datacentre.stages.verify import reconcile
from tests.conftest import fresh_topics
from tests.votes import STREAM, produce, vote

pytestmark = pytest.mark.broker


def found(centre: Settings) -> list[tuple[str, str]]:
    with opened(centre.control_url) as control:
        return [(a.kind, a.stream) for a in open_alerts(control)]


def reconcile_without_a_broker(centre: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = replace(centre, bootstrap_servers="127.0.0.1:1")
    with monkeypatch.context() as patience:
        patience.setattr(topics, "BOOTSTRAP_MS", 300)
        with pytest.raises(SourceUnavailable, match="no Kafka broker answers"):
            reconcile(silent)


def test_only_a_difference_raises_the_alert_and_only_agreement_ends_it(
    centre: Settings, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    produce(centre, (vote(contracts[STREAM], n) for n in range(50)))
    land(centre, [STREAM])
    reconcile_without_a_broker(centre, monkeypatch)
    assert found(centre) == []

    fresh_topics(centre.bootstrap_servers, contracts)
    with pytest.raises(CheckFailed, match=f"{STREAM} partition 0: the lake holds topic"):
        reconcile(centre)
    reconcile_without_a_broker(centre, monkeypatch)
    assert found(centre) == [("difference", STREAM)]

    shutil.rmtree(centre.lake)
    reconcile(centre)
    assert found(centre) == []
