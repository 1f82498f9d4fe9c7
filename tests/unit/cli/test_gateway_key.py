"""A key is shown when it is made, and never again."""

import json
from pathlib import Path

from tests.unit.cli.test_errors import one_line, run


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    made = json.loads(
        run(tmp_path, "gateway-key", "create", "dot", "--stream", "dot__departures", "--days", "9", "--json").stdout
    )
    listed = run(tmp_path, "gateway-key", "list")
    assert made["id"] in listed.stdout and "valid" in listed.stdout
    assert made["key"] not in listed.stdout + listed.stderr
    assert run(tmp_path, "gateway-key", "revoke", made["id"]).returncode == 0
    (row,) = json.loads(run(tmp_path, "gateway-key", "list", "--json").stdout)
    assert (row["agency"], row["streams"], row["state"]) == ("dot", "dot__departures", "revoked")


def test_a_key_for_an_unknown_stream_is_not_made(tmp_path: Path) -> None:
    done = run(tmp_path, "gateway-key", "create", "dot", "--stream", "dot__arrivals")
    assert done.returncode == 2
    assert "dot__departures" in one_line(done)
    assert json.loads(run(tmp_path, "gateway-key", "list", "--json").stdout) == []


def test_a_gateway_without_a_broker_does_not_start(tmp_path: Path) -> None:
    done = run(tmp_path, "gateway")
    assert done.returncode == 3
    assert "no Kafka broker answers" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
