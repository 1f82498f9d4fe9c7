"""The client of Airflow's REST API against a server that fails as a starting Airflow does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from datacentre.errors import ContractError, SourceUnavailable
from datacentre.services import airflow_api
from datacentre.services.airflow_api import Client, set_pool
from datacentre.services.airflow_environment import airflow_home, environment
from datacentre.settings import Settings, from_environment
from tests.unit.services.json_server import JsonHandler, serving


@contextmanager
def answering(home: Path, statuses: list[int]) -> Iterator[tuple[Settings, list[str]]]:
    """Settings of an Airflow that answers with each of `statuses` in turn, 200 after; and what was asked of it."""
    asked: list[str] = []

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            self.body()
            self.answer(201, {"access_token": "token"})

        def do_GET(self) -> None:
            self.body()
            asked.append(f"{self.command} {self.path}")
            self.answer(statuses.pop(0) if statuses else 200, {"slots": 1})

        do_PATCH = do_GET

    with serving(Handler) as port:
        settings = replace(from_environment({"DATACENTRE_HOME": str(home)}), airflow_port=port)
        environment(settings)  # writes the password
        assert airflow_home(settings).is_dir()
        yield settings, asked


def test_locked_database_at_the_start_is_waited_out(tmp_path: Path) -> None:
    with answering(tmp_path, [500, 503]) as (settings, asked):
        set_pool(Client(settings), "marts_writer", 1, "one writer")

    assert asked == ["PATCH /api/v2/pools"] * 3


def test_read_is_made_again_while_airflow_answers_5xx(tmp_path: Path) -> None:
    with answering(tmp_path, [500]) as (settings, asked):
        assert Client(settings).get("/pools/marts_writer") == {"slots": 1}

    assert len(asked) == 2


def test_answer_that_stays_5xx_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_api, "_AGAIN_SECONDS", 0.3)
    with (
        answering(tmp_path, [500] * 1000) as (settings, _),
        pytest.raises(SourceUnavailable, match="answers 500 to GET"),
    ):
        Client(settings).get("/pools/marts_writer")


def test_refusal_is_not_asked_again(tmp_path: Path) -> None:
    with answering(tmp_path, [400, 200]) as (settings, asked), pytest.raises(ContractError, match="answers 400"):
        Client(settings).get("/pools/marts_writer")

    assert len(asked) == 1
