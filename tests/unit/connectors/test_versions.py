"""Producers of an old and a new contract version at once."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from connectors.sink.batch import Batch, Chunk
from connectors.sink.scan import warm
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract, load_contracts
from datacentre.contracts.versions import publish
from datacentre.errors import ContractError
from datacentre.pseudonym import PseudonymKey
from datacentre.settings import REPOSITORY
from lake.offsets import held_offsets
from lake.snapshot import snapshot

KEY = PseudonymKey("k1", b"s" * 32)
STREAM = "pmo__deliberation_vote"
TOPIC = Topic(STREAM, "cluster/topic", {0: 0}, {0: 0})
NEW_FIELD = """
      - name: device_kind
        logicalType: string
        required: false
        classification: public
        description: Kind of device the vote came from.
        logicalTypeOptions: {maxLength: 20}
        examples: [phone]
slaProperties:"""


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REPOSITORY / "schemas", tmp_path / "schemas"))


def edited(schemas: Path, *edits: tuple[str, str]) -> Contract:
    """The stream's contract after replacing text in its file."""
    file = schemas / "contracts" / f"{STREAM}.yaml"
    text = file.read_text()
    for before, after in edits:
        assert before in text
        text = text.replace(before, after, 1)
    file.write_text(text)
    return load_contracts(schemas)[STREAM]


def second_version(schemas: Path) -> Contract:
    return edited(schemas, ("version: 1.0.0", "version: 1.1.0"), ("\nslaProperties:", NEW_FIELD))


def vote(offset: int, tag: str, **more: str) -> tuple[int, int, int, bytes, bytes]:
    fields = {
        "event_id": f"v{offset}",
        "source": "pmo/deliberation",
        "event_time": "2026-03-01T10:00:00Z",
        "schema": tag,
        "conversation_id": "evening-clinics",
        "statement_id": "s1",
        "participant_key": "0123456789abcdef",
        "vote": "agree",
        **more,
    }
    return (0, offset, 1_780_000_000_000, b"0123456789abcdef", json.dumps(fields).encode())


def commit(writer: StreamWriter, *records: tuple[int, int, int, bytes, bytes]) -> None:
    made = Batch()
    made.add(Chunk.of(STREAM, records))
    made.advance(0, records[0][1], records[-1][1] + 1)
    writer.commit(made)


@pytest.mark.parametrize("is_warm", [False, True])
def test_each_record_is_judged_by_the_version_it_names(
    schemas: Path, tmp_path: Path, is_warm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert warm.wait()
    monkeypatch.setattr(warm, "is_ready", lambda: is_warm)
    old = load_contracts(schemas)[STREAM]
    lake = tmp_path / "lake"
    commit(StreamWriter(lake, old, KEY, TOPIC), vote(0, f"{STREAM}@1.0.0"))
    new = second_version(schemas)
    assert [c.version for c in new.earlier] == ["1.0.0"]
    commit(
        StreamWriter(lake, new, KEY, TOPIC),
        vote(1, f"{STREAM}@1.0.0"),
        vote(2, f"{STREAM}@1.1.0", device_kind="phone"),
        vote(3, f"{STREAM}@1.0.0", device_kind="phone"),
        vote(4, f"{STREAM}@9.0.0"),
        vote(5, f"{STREAM}@1.1.0", vote="perhaps"),
    )
    files = list(snapshot(lake, new, "landed").files)
    landed = duckdb.execute(
        "select kafka_offset, schema_version, device_kind from read_parquet($files, union_by_name = true) order by 1",
        {"files": files},
    ).fetchall()
    assert landed == [(0, "1.0.0", None), (1, "1.0.0", None), (2, "1.1.0", "phone")]
    rejected = duckdb.execute(
        "select kafka_offset, broken_rules, contract_version from read_parquet($files) order by 1",
        {"files": list(snapshot(lake, new, "quarantine").files)},
    ).fetchall()
    assert rejected == [
        (3, ["record.unknown_field"], "1.0.0"),
        (4, ["record.unknown_contract"], "1.1.0"),
        (5, ["vote.allowed"], "1.1.0"),
    ]


def test_a_sink_of_the_old_version_goes_on_beside_one_of_the_new(schemas: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    old = StreamWriter(lake, load_contracts(schemas)[STREAM], KEY, TOPIC)
    commit(old, vote(0, f"{STREAM}@1.0.0"))
    contract = second_version(schemas)
    commit(StreamWriter(lake, contract, KEY, TOPIC), vote(1, f"{STREAM}@1.1.0", device_kind="phone"))
    commit(old, vote(2, f"{STREAM}@1.0.0"))
    assert held_offsets(lake, contract, "landed")[0].tolist() == [0, 1, 2]


def test_an_incompatible_version_is_refused_before_publishing(schemas: Path) -> None:
    with pytest.raises(ContractError, match=r"field 'corrects_event_id': required was False, is True"):
        edited(schemas, ("version: 1.0.0", "version: 1.1.0"), ("required: false", "required: true"))


def test_a_lost_field_a_new_required_one_and_a_narrower_list_are_refused(schemas: Path) -> None:
    with pytest.raises(ContractError, match="field 'device_kind' is new and required"):
        edited(
            schemas,
            ("version: 1.0.0", "version: 1.1.0"),
            ("\nslaProperties:", NEW_FIELD.replace("required: false", "required: true")),
        )
    with pytest.raises(ContractError, match=r"field 'vote': allowed values are gone: pass"):
        edited(
            schemas,
            (NEW_FIELD.replace("false", "true"), "\nslaProperties:"),
            ("agree, disagree, pass", "agree, disagree"),
        )


def test_a_published_version_cannot_change(schemas: Path) -> None:
    file = schemas / "contracts" / f"{STREAM}.yaml"
    contract = edited(schemas, ("\nslaProperties:", NEW_FIELD))
    with pytest.raises(ContractError, match=r"differs from what was published as version 1\.0\.0; raise its version"):
        publish(contract, file, schemas)
    contract = edited(schemas, ("version: 1.0.0", "version: 1.1.0"))
    assert publish(contract, file, schemas).name == "1.1.0.yaml"
    contract = edited(schemas, ("version: 1.1.0", "version: 1.0.5"))
    with pytest.raises(ContractError, match=r"must be above 1\.1\.0, the last published"):
        publish(contract, file, schemas)
