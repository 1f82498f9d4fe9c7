"""Repairs of wrongly mapped records, and that a replay with one lands them once, whatever ends in between."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from test_replay import KEY, NEW, Crashed, batch, dying_at, reconciles
from test_replay import TOPIC as TOPIC_OF_CARDS

import connectors.sink.replay as replay_module
from connectors.sink.patch import NO_PATCH, Patch, read_patch
from connectors.sink.replay import Replayer
from connectors.sink.writer import StreamWriter
from datacentre.contracts import Contract
from datacentre.errors import ContractError
from lake.quarantine import EVERYTHING, whole_record

REPAIR = Patch(rename={"stage": "step"}, codes={"step": {NEW: "submitted"}})


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts["dcrc__cid_issuance"]


def repaired(patch: Patch, *values: bytes | None) -> list[bytes | None]:
    found: list[bytes | None] = patch.applied(pa.chunked_array([pa.array(values, pa.binary())])).to_pylist()
    return found


def test_fields_are_renamed_and_codes_replaced() -> None:
    (value,) = repaired(REPAIR, '{"stage": "unheard_of", "names": "བསོད", "n": 12345678901234567890}'.encode())
    assert json.loads(value or b"") == {"step": "submitted", "names": "བསོད", "n": 12345678901234567890}
    (listed,) = repaired(Patch(codes={"a": {"x": "y"}}), b'{"a": ["x", "z", 1]}')
    assert json.loads(listed or b"") == {"a": ["y", "z", 1]}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff",
        b"[1]",
        b'{"step":  "approved"}',
        b'{"step": "unheard_of", "step": "approved"}',
        b'{"stage": "unheard_of", "step": "approved"}',
    ],
    ids=["null", "empty", "not text", "no object", "nothing wrong", "a name twice", "both names"],
)
def test_what_the_repair_does_not_fit_keeps_its_bytes(value: bytes | None) -> None:
    assert repaired(REPAIR, value) == [value]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rename: {stage: stepp}", r"patch.yaml:1: rename: dcrc__cid_issuance has no field stepp"),
        ("codes: {stepp: {a: b}}", "no field stepp"),
        ("codes: {step: {1: b}}", "quote what reads as a number"),
        ("codes: [a]", "must be a mapping"),
        ("drop: [step]", "`rename`, `codes` or both"),
    ],
)
def test_a_patch_that_cannot_be_meant_is_refused(tmp_path: Path, contract: Contract, text: str, message: str) -> None:
    file = tmp_path / "patch.yaml"
    file.write_text(text)
    with pytest.raises(ContractError, match=message):
        read_patch(file, contract)


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_repair_cut_short_is_finished_by_a_plain_replay(
    tmp_path: Path, contract: Contract, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    StreamWriter(tmp_path, contract, KEY, TOPIC_OF_CARDS).commit(batch(contract, 0, 0, 60))
    file = tmp_path / "patch.yaml"
    file.write_text(f"codes: {{step: {{{NEW}: submitted}}}}")
    patch = read_patch(file, contract)
    with monkeypatch.context() as patched:
        for name, dying in dying_at(step).items():
            patched.setattr(replay_module, name, dying)
        with pytest.raises(Crashed):
            list(Replayer(tmp_path, contract, KEY, "tshering").replay(EVERYTHING, patch))
    again = Replayer(tmp_path, contract, KEY, "tshering")
    assert sum(r.rows for r in again.earlier()) == 20
    assert list(again.replay(EVERYTHING, NO_PATCH)) == []
    reconciles(tmp_path, contract, 0, 60, ())
    record = whole_record(tmp_path, contract, 0, 3)
    assert record is not None
    assert (Patch.of(record.patch), NEW.encode() in (record.value or b"")) == (patch, True), "its own bytes are kept"
