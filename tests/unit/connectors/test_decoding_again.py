"""Decoding again, on real Delta tables: what wrong rules have landed becomes what the right ones would have."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import connectors.sink.backfill as backfill_module
from connectors.sink.backfill import Backfill, Redone
from connectors.sink.batch import Batch, Chunk
from connectors.sink.patch import Patch
from connectors.sink.replay import Replayer
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.contracts.columns import table_schema
from datacentre.pseudonym import PseudonymKey
from lake.decisions import Decision, decide
from lake.forget import forget_deleted
from lake.positions import landed_positions
from lake.quarantine import EVERYTHING, open_offsets, whole_record
from lake.replace import replaced_since, rows_within
from lake.rewrite import Offsets
from lake.tables import LAYERS, open_table

KEY = PseudonymKey("k1", b"s" * 32)
TOPIC = Topic("dcrc__cid_issuance", "cluster/topic-a", {0: 0}, {0: 0})
COUNT = 60
WHOLE = (0, 0, COUNT)
PLACES = [
    f"after_backfill_{step}" for step in ("vault_new", "quarantine_new", "landed_all", "vault_old", "quarantine_old")
]


class Crashed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts["dcrc__cid_issuance"]


def mistaken(contract: Contract) -> Contract:
    """As it was by mistake: one step too many is allowed, one is forgotten."""
    steps = {"submitted": "unheard_of"}
    fields = tuple(
        replace(f, allowed=tuple(steps.get(str(a), a) for a in f.allowed or ())) if f.name == "step" else f
        for f in contract.fields
    )
    return replace(contract, fields=fields, purpose="mistaken")


def records(tag: str) -> Batch:
    """In turns a step that only the mistaken contract knows, two that both know, one that only the right one knows."""
    made = Batch()
    made.advance(0, 0, COUNT)
    for offset in range(COUNT):
        fields = {
            "event_id": f"e{offset}",
            "source": "dcrc/bcrs",
            "event_time": "2026-03-01T10:00:00Z",
            "schema": tag,
            "application_id": f"CID-{offset}",
            "step": ["unheard_of", "approved", "printed", "submitted", "never_said"][offset % 5],
        } | ({"cid": f"{offset:011d}"} if offset % 2 else {})
        key = f"CID-{offset}".encode()
        made.add(Chunk.of(TOPIC.name, [(0, offset, 1_780_000_000_000, key, json.dumps(fields).encode())]))
    return made


def landed_by(lake: Path, contract: Contract) -> Batch:
    made = records(contract.schema_tag)
    StreamWriter(lake, contract, KEY, TOPIC).commit(made)
    return made


def run(lake: Path, contract: Contract, topic: Batch) -> tuple[Redone, list[tuple[Offsets, int]]]:
    withdrawn: list[tuple[Offsets, int]] = []
    redone = Backfill(lake, contract, KEY).redo(topic.table(), WHOLE, lambda *asked: withdrawn.append(asked))
    return redone, withdrawn


def held(lake: Path, contract: Contract) -> dict[str, list[dict[str, object]]]:
    tables = {x: rows_within(lake, contract, x, table_schema(contract, x), WHOLE) for x in LAYERS}
    return {
        layer: sorted(
            (row | {"contract_hash": "", "contract_version": ""} for row in rows.to_pylist()),
            key=lambda row: row["kafka_offset"],
        )
        for layer, rows in tables.items()
    }


@pytest.fixture
def topic(tmp_path: Path, contract: Contract) -> Batch:
    """What the topic holds; landed by the mistaken contract in `wrong`, by the right one in `right`."""
    landed_by(tmp_path / "right", contract)
    return landed_by(tmp_path / "wrong", mistaken(contract))


def test_the_lake_becomes_what_the_right_rules_would_have_landed(
    tmp_path: Path, contract: Contract, topic: Batch
) -> None:
    wrong = tmp_path / "wrong"
    assert held(wrong, contract) != held(tmp_path / "right", contract)
    redone, withdrawn = run(wrong, contract, topic)

    assert held(wrong, contract) == held(tmp_path / "right", contract)
    assert redone == Redone(COUNT, COUNT // 5 * 2, COUNT // 5 * 2)
    assert landed_positions(wrong, contract) == {0: COUNT}
    table = open_table(wrong, contract, "landed")
    assert table is not None
    assert [version for _, version in withdrawn] == [table.version()] * 2
    assert list(replaced_since(wrong, contract, 0)) == [(table.version(), [(0, 0, COUNT - 1)])]
    again, withdrawn = run(wrong, contract, topic)
    assert (again.landed, again.quarantined, withdrawn) == (0, 0, [])
    sink = StreamWriter(wrong, contract, KEY, TOPIC)
    assert sink.positions([0]) == {0: COUNT}


@pytest.mark.parametrize("place", PLACES)
def test_one_that_was_cut_short_is_finished_by_the_next(
    tmp_path: Path, contract: Contract, topic: Batch, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(name: str) -> None:
        if name == place:
            raise Crashed

    with monkeypatch.context() as patch:
        patch.setattr(backfill_module, "reach", end)
        with pytest.raises(Crashed):
            run(tmp_path / "wrong", contract, topic)
    left = held(tmp_path / "wrong", contract)
    assert {row["kafka_offset"] for layer in ("landed", "quarantine") for row in left[layer]} == set(range(COUNT))
    identified = {row["kafka_offset"] for row in left["landed"] if row["has_identity"]}
    assert identified <= {row["kafka_offset"] for row in left["vault"]}
    run(tmp_path / "wrong", contract, topic)

    assert held(tmp_path / "wrong", contract) == held(tmp_path / "right", contract)
    assert len(list(replaced_since(tmp_path / "wrong", contract, 0))) == 1


def test_what_somebody_decided_stays(tmp_path: Path, contract: Contract, topic: Batch) -> None:
    wrong = tmp_path / "wrong"
    table = open_table(wrong, contract, "quarantine")
    assert table is not None
    dismissed = {0: open_offsets(wrong, contract, EVERYTHING)[0][:2]}  # 3, which is good now, and 4
    decide(table, dismissed, "open", Decision("dismissed", None, None, "pema", datetime.now(UTC), "test"), "d/1")
    repair = Patch({}, {"step": {"never_said": "printed"}})
    replayer = Replayer(wrong, mistaken(contract), KEY, "pema")
    assert sum(done.rows for done in replayer.replay(EVERYTHING, repair)) == COUNT // 5 - 1

    run(wrong, contract, topic)
    known = {offset: whole_record(wrong, contract, 0, offset) for offset in (3, 4, 8, 9)}
    assert {o: r.status if r else None for o, r in known.items()} == {
        3: "dismissed",
        4: "dismissed",
        8: None,
        9: "replayed",
    }
    steps = {row["kafka_offset"]: row["step"] for row in held(wrong, contract)["landed"]}
    assert (steps[8], steps[9]) == ("submitted", "printed")
    assert not {3, 4} & steps.keys()


def test_what_the_vault_has_forgotten_does_not_come_back(tmp_path: Path, contract: Contract, topic: Batch) -> None:
    wrong = tmp_path / "wrong"
    deletable = replace(contract, deletes_by_key=True)
    writer = StreamWriter(wrong, replace(mistaken(contract), deletes_by_key=True), KEY, TOPIC)
    deletion = Batch()
    deletion.advance(0, COUNT, COUNT + 1)
    deletion.add(Chunk.of(TOPIC.name, [(0, COUNT, 1_780_000_000_000, b"CID-1", None)]))
    writer.commit(deletion)
    assert forget_deleted(wrong, deletable) == 1

    Backfill(wrong, deletable, KEY).redo(topic.table(), WHOLE, lambda *asked: None)
    assert 1 not in {row["kafka_offset"] for row in held(wrong, contract)["vault"]}
    assert 1 in {row["kafka_offset"] for row in held(wrong, contract)["landed"]}
