"""Announcements against a server that answers as Airflow's API does; tests/dags has them against Airflow itself."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from datacentre import names
from datacentre.services import announce
from datacentre.services.airflow_environment import environment
from datacentre.services.announce import Announcer
from datacentre.services.turns import watching
from datacentre.settings import Settings, from_environment
from tests.unit.services.json_server import JsonHandler, serving

STREAMS = [f"agency__stream_{n}" for n in range(120)]  # more than one page of assets


class Airflow:
    """What it was told, by stream; refuses everything while `is_down`."""

    def __init__(self, port: int, home: Path):
        self.settings: Settings = replace(from_environment({"DATACENTRE_HOME": str(home)}), airflow_port=port)
        self.told: list[str] = []
        self.is_down = False

    def wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < deadline, self.told
            time.sleep(0.01)


@pytest.fixture
def airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    monkeypatch.setattr(announce, "_AGAIN_SECONDS", 0.05)

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            body = self.body()
            if self.path == "/auth/token":
                self.answer(201, {"access_token": "token"})
            elif fake.is_down:
                self.answer(503, {})
            else:
                fake.told.append(STREAMS[body["asset_id"] - 1])
                self.answer(200, {"id": len(fake.told)})

        def do_GET(self) -> None:
            start = int(self.path.partition("offset=")[2])
            stop = min(start + 100, len(STREAMS))
            page = [{"id": n + 1, "uri": names.landed_asset(STREAMS[n])} for n in range(start, stop)]
            self.answer(200, {"assets": page, "total_entries": len(STREAMS)})

    with serving(Handler) as port:
        fake = Airflow(port, tmp_path)
        yield fake


def test_what_comes_together_is_told_together_and_once(airflow: Airflow) -> None:
    environment(airflow.settings)  # writes the password
    with closing(Announcer(airflow.settings)) as announcer:
        announcer.landed([STREAMS[0]])
        airflow.wait(lambda: len(airflow.told) == 1)
        for _ in range(50):
            announcer.landed([STREAMS[3], STREAMS[110]])
        airflow.wait(lambda: len(airflow.told) == 3)
    assert airflow.told == [STREAMS[0], STREAMS[110], STREAMS[3]]


def test_what_airflow_missed_is_told_when_it_is_back(airflow: Airflow, caplog: pytest.LogCaptureFixture) -> None:
    environment(airflow.settings)
    airflow.is_down = True
    with closing(Announcer(airflow.settings)) as announcer:
        announcer.landed(STREAMS[:2])
        airflow.wait(lambda: "sweep will find it" in caplog.text)
        announcer.landed(STREAMS[2:3])
        time.sleep(0.3)
        airflow.is_down = False
        airflow.wait(lambda: len(airflow.told) == 3)
    assert sorted(airflow.told) == STREAMS[:3]
    assert caplog.text.count("sweep will find it") == 1, "a change is logged, not every try"


def test_a_home_without_airflow_is_left_in_peace_until_it_has_one(
    airflow: Airflow, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Announcer(airflow.settings)) as announcer:
        announcer.landed(STREAMS[:1])
        time.sleep(0.2)
        assert (airflow.told, caplog.text) == ([], "")
        environment(airflow.settings)
        airflow.wait(lambda: airflow.told == STREAMS[:1])


def test_a_sink_that_ends_says_the_last_it_has_to_say(airflow: Airflow) -> None:
    environment(airflow.settings)
    with closing(Announcer(airflow.settings)) as announcer:
        announcer.landed(STREAMS[:1])
        airflow.wait(lambda: len(airflow.told) == 1)
        announcer.landed(STREAMS[1:2])
    assert airflow.told == STREAMS[:2]


def test_a_stream_no_dag_waits_for_holds_nothing_up(airflow: Airflow, caplog: pytest.LogCaptureFixture) -> None:
    environment(airflow.settings)
    with closing(Announcer(airflow.settings)) as announcer:
        announcer.landed(["agency__other"])
        airflow.wait(lambda: "no DAG knows the asset lake://landed/agency__other" in caplog.text)
        announcer.landed(STREAMS[:1])
        airflow.wait(lambda: airflow.told == STREAMS[:1])


def test_nothing_is_told_while_a_check_is_going(airflow: Airflow) -> None:
    environment(airflow.settings)
    with closing(Announcer(airflow.settings)) as announcer:
        with watching(airflow.settings.run, "check"):
            announcer.landed(STREAMS[:1])
            time.sleep(1.5)
        announcer.landed(STREAMS[1:2])
        airflow.wait(lambda: bool(airflow.told))
    assert airflow.told == [STREAMS[1]]
