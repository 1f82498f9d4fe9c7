"""One small story per stream: what is sent, and what must be in the lake and in the marts afterwards.

The files beside this module are written by hand. `<key>/events.jsonl` holds the messages in the order of
their offsets, each with a note; a text as value is sent as it stands. `landed.jsonl`, `vault.jsonl`,
`quarantined.jsonl` and `marts/<model>.jsonl` hold what must come of them; `all_streams/marts/` what comes
of several streams together. A column that a row doesn't name is empty. `<pema>` is the pseudonym of Pema,
who is in `persons.json` with the others.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import Settings, from_environment
from datacentre.stages.build import build
from datacentre.stages.check import check
from datacentre.stages.outcome import Outcome
from lake.marts import published
from lake.snapshot import snapshot
from registry.golden.store import reading

Row = dict[str, Any]
FOLDER = Path(__file__).parent
STREAMS = sorted(f.parent.name for f in FOLDER.glob("*/events.jsonl"))
MARTS = sorted(f.relative_to(FOLDER) for f in FOLDER.glob("*/marts/*.jsonl"))
PERSONS = json.loads((FOLDER / "persons.json").read_text())
KEY = PseudonymKey("golden", b"golden-test-key-of-32-bytes-long")
# The same in every row of a story, or numbered by what else was checked before.
LEFT_OUT = {
    "kafka_partition",
    "broker_time",
    "ingest_date",
    "schema_version",
    "source",
    "pseudonym_key_id",
    "certificate_id",
}
LAYERS = {"landed": "landed", "vault": "vault", "quarantined": "quarantine"}
ROW_KEYS = {
    "agg_department_day": ("department_code", "visit_date"),
    "agg_service_month": ("service_code", "closed_month"),
    "dim_person": ("person_key",),
    "fct_deliberation_vote": ("conversation_id", "statement_id", "participant_key"),
    "fct_departure": ("flight_id", "nationality_group", "purpose"),
    "fct_exit_survey_response": ("response_id",),
    "fct_hospital_visit": ("visit_id",),
    "fct_policy_action": ("action_id",),
    "fct_service_case": ("stream_key", "application_id"),
    "fct_service_feedback": ("feedback_id",),
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("golden")
    key = {"id": KEY.id, "secret": KEY.secret.hex()}
    (home / "keys").mkdir()
    (home / "keys" / "pseudonym.json").write_text(json.dumps(key))
    return from_environment({"DATACENTRE_HOME": str(home)})


@pytest.fixture(scope="module")
def checked(settings: Settings, contracts: dict[str, Contract]) -> tuple[Outcome, ...]:
    """Every story landed, then checked."""
    for key in STREAMS:
        _land(settings.lake, contracts[key])
    return check(settings)


@pytest.fixture(scope="module")
def lake(settings: Settings, checked: tuple[Outcome, ...]) -> Path:
    return settings.lake


@pytest.fixture(scope="module")
def marts(settings: Settings, checked: tuple[Outcome, ...]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The marts of all stories, as a reader opens them."""
    build(settings)
    with duckdb.connect(str(published(settings.marts)), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def test_every_stream_has_a_story(contracts: dict[str, Contract]) -> None:
    assert sorted(contracts) == STREAMS


def test_every_story_is_certified(checked: tuple[Outcome, ...]) -> None:
    assert [o.stream for o in checked] == STREAMS
    assert {o.stream: o.detail["reasons"] for o in checked if o.detail["held"]} == {}


@pytest.mark.parametrize("key", STREAMS)
def test_every_message_is_in_one_place_as_it_came(lake: Path, contracts: dict[str, Contract], key: str) -> None:
    sent = list(enumerate(_lines(FOLDER / key / "events.jsonl")))
    landed, quarantined = _rows(lake, contracts[key], "landed"), _rows(lake, contracts[key], "quarantine")
    received = {r["kafka_offset"]: r["broker_time"] for r in (*landed, *quarantined)}
    assert len(landed) + len(quarantined) == len(sent)
    assert received == {offset: datetime.fromisoformat(m["received"]) for offset, m in sent}
    kept = {r["kafka_offset"]: (r["record_key"], r["value"]) for r in quarantined}
    assert kept == {offset: _message_bytes(message) for offset, message in sent if offset in kept}


@pytest.mark.parametrize("key", STREAMS)
@pytest.mark.parametrize("name", LAYERS)
def test_the_lake_holds(lake: Path, contracts: dict[str, Contract], key: str, name: str) -> None:
    file = FOLDER / key / f"{name}.jsonl"
    actual = [_readable(row) for row in _rows(lake, contracts[key], LAYERS[name])]
    if name == "quarantined":
        actual = [{"offset": row["offset"], "broken_rules": row["broken_rules"]} for row in actual]
    _assert_same(file, actual, ("offset",))


@pytest.mark.parametrize("file", MARTS, ids=str)
def test_the_marts_hold(marts: duckdb.DuckDBPyConnection, file: Path) -> None:
    actual = [_readable(row) for row in marts.sql(f"from marts.{file.stem}").to_arrow_table().to_pylist()]
    if file.stem == "fct_service_case":  # two streams fill it
        actual = [row for row in actual if row["stream_key"] == file.parts[0]]
    _assert_same(FOLDER / file, actual, ROW_KEYS[file.stem])


def test_the_registry_holds(settings: Settings, marts: duckdb.DuckDBPyConnection) -> None:
    with reading(settings.home) as store:
        found = {name: store.find(person["pseudonym"]) for name, person in PERSONS.items()}
    golden = {
        name: {attribute: [a.value, a.confidence, a.origin.event_id] for attribute, a in person.attributes.items()}
        for name, person in found.items()
        if person is not None
    }
    assert golden == json.loads((FOLDER / "all_streams" / "registry.json").read_text())


@pytest.mark.parametrize("name", PERSONS)
def test_pseudonyms_are_hmac_sha256(name: str) -> None:
    person = PERSONS[name]
    assert person["pseudonym"] == hmac.new(KEY.secret, person["number"].encode(), hashlib.sha256).hexdigest()


def _land(lake: Path, contract: Contract) -> None:
    """Write a story's messages as one batch of partition 0."""
    batch = Batch()
    messages = _lines(FOLDER / contract.key / "events.jsonl")
    batch.advance(0, 0, len(messages))
    times = [round(datetime.fromisoformat(m["received"]).timestamp() * 1000) for m in messages]
    batch.add(Chunk.of(contract.key, ((0, n, times[n], *_message_bytes(m)) for n, m in enumerate(messages))))
    topic = Topic(contract.key, f"golden/{contract.key}", {0: 0}, {0: len(messages)})
    StreamWriter(lake, contract, KEY, topic).commit(batch)


def _message_bytes(message: Row) -> tuple[bytes | None, bytes | None]:
    key, value = message["key"], message["value"]
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    return (
        None if key is None else key.encode(),
        None if value is None else value.encode(message.get("encoding", "utf-8")),
    )


def _lines(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _rows(lake: Path, contract: Contract, layer: str) -> list[Row]:
    files = list(snapshot(lake, contract, layer).files)
    if not files:
        return []
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        query = "from read_parquet($files, hive_partitioning = true) order by kafka_offset"
        rows: list[Row] = connection.sql(query, params={"files": files}).to_arrow_table().to_pylist()
        return rows


def _readable(row: Row) -> Row:
    """The row as the files have it: no empty column, instants in UTC, names for pseudonyms."""
    named = {"offset" if name == "kafka_offset" else name: value for name, value in row.items()}
    return {n: _plain(v) for n, v in named.items() if v is not None and n not in LEFT_OUT}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        precision = "milliseconds" if value.microsecond else "seconds"
        return value.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return _NAMES.get(value, value) if isinstance(value, str) else value


def _assert_same(file: Path, actual: list[Row], row_key: tuple[str, ...]) -> None:
    """Fail with one line per cell that differs."""
    wanted, found = _by_key(_lines(file), row_key), _by_key(actual, row_key)
    lines = []
    for key in wanted | found:
        if key not in found:
            lines.append(f"{key}: row is missing")
        elif key not in wanted:
            lines.append(f"{key}: row is too many: {found[key]}")
        else:
            for name in wanted[key] | found[key]:
                expected, value = wanted[key].get(name), found[key].get(name)
                if expected != value:
                    lines.append(f"{key}: {name} is {value!r}, expected {expected!r}")
    if lines:
        pytest.fail("\n".join([str(file.relative_to(FOLDER)), *lines]), pytrace=False)


def _by_key(rows: list[Row], row_key: tuple[str, ...]) -> dict[str, Row]:
    keyed = {" ".join(str(row[name]) for name in row_key): row for row in rows}
    assert len(keyed) == len(rows), f"{row_key} isn't unique"
    return keyed


_NAMES = {person["pseudonym"]: f"<{name}>" for name, person in PERSONS.items()}
