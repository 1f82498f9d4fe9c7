"""A range of a real topic decoded again: lake, certificates and reconciliation agree after it."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

import connectors.sink.backfill as backfill_module
from connectors.topic_erasure import delete_below
from datacentre.contracts import Contract
from datacentre.control.certificates import certified_ranges
from datacentre.control.reopened import last_checked
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.settings import Settings
from datacentre.stages.backfill import backfill
from datacentre.stages.build import build
from datacentre.stages.check import check
from datacentre.stages.land import land
from datacentre.stages.verify import verify
from lake.marts import published
from lake.positions import landed_positions
from lake.replace import replace_rows
from lake.tables import open_table, table_path
from tests.votes import STREAM, produce, vote

pytestmark = pytest.mark.broker
COUNT = 3_000


class Crashed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def mistaken(centre: Settings, contracts: dict[str, Contract], tmp_path: Path) -> Settings:
    """The centre when its contract allowed a wrong vote and forgot a right one, with votes certified by that."""
    schemas = tmp_path / "schemas"
    shutil.copytree(centre.schemas, schemas)
    file = schemas / "contracts" / f"{STREAM}.yaml"
    file.write_text(file.read_text().replace("[agree, disagree, pass]", "[agree, perhaps, pass]"))
    wrong = replace(centre, schemas=schemas)
    produce(centre, (vote(contracts[STREAM], n) for n in range(COUNT)))
    land(wrong, [STREAM])
    check(wrong, [STREAM])
    return wrong


def certified(centre: Settings) -> dict[int, int]:
    """Offsets that are certified, by partition."""
    found: dict[int, int] = {}
    with opened(centre.control_url) as control:
        for r in certified_ranges(control, STREAM):
            found[r.partition] = found.get(r.partition, 0) + r.next_offset - r.start_offset
    return found


def votes(centre: Settings) -> set[str]:
    """What the marts show."""
    with closing(duckdb.connect(str(published(centre.marts)), read_only=True)) as marts:
        return {vote for (vote,) in marts.execute("select distinct vote from marts.fct_deliberation_vote").fetchall()}


def test_only_what_changed_is_checked_again_and_everything_reconciles(
    centre: Settings, mistaken: Settings, contracts: dict[str, Contract]
) -> None:
    before = certified(mistaken)
    outcome = backfill(centre, STREAM, 0, "pema", 100, 200)
    assert (outcome.rows_in, outcome.interval) == (100, "p0 100..200")
    assert 0 < outcome.rows_out < 100
    after = certified(centre)
    assert before[0] - 100 <= after[0] < before[0] - 50 and after[1] == before[1]

    build(centre)
    assert votes(centre) == {"agree", "perhaps", "pass"}
    for partition in (0, 1):
        backfill(centre, STREAM, partition, "pema")
    reports = verify(centre, [STREAM])
    assert [r.differences for r in reports] == [(), ()]
    assert sum(r.quarantined for r in reports) == COUNT // 10
    check(centre, [STREAM])
    assert certified(centre) == before
    build(centre)
    assert votes(centre) == {"agree", "disagree", "pass"}
    assert backfill(centre, STREAM, 0, "pema").rows_out == 0
    assert certified(centre) == before


def test_a_check_completes_what_a_dead_backfill_left(
    centre: Settings, mistaken: Settings, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = certified(mistaken)

    def commit_after_a_check(table: DeltaTable, *rest: Any) -> int:
        """The check certifies the old rows again; the commit is the end of the process."""
        if table_path(table).parent.name == "landed":
            check(mistaken, [STREAM])
            assert certified(centre) == before
            replace_rows(table, *rest)
            raise Crashed
        return replace_rows(table, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(backfill_module, "replace_rows", commit_after_a_check)
        with pytest.raises(Crashed):
            backfill(centre, STREAM, 0, "pema")
    landed = open_table(centre.lake, contracts[STREAM], "landed")
    assert landed is not None
    check(centre, [STREAM])
    assert certified(centre) == before
    with opened(centre.control_url) as control:
        assert last_checked(control, STREAM) == landed.version()
    assert backfill(centre, STREAM, 0, "pema").rows_out == 0


def test_what_the_topic_no_longer_has_is_named(
    centre: Settings, mistaken: Settings, contracts: dict[str, Contract]
) -> None:
    with pytest.raises(CheckFailed, match="the lake has nothing of partition 7"):
        backfill(centre, STREAM, 7, "pema")
    delete_below(centre.bootstrap_servers, STREAM, {0: 500})
    with pytest.raises(CheckFailed, match=r"partition 0: offsets 100 to 899 .* from 500 on"):
        backfill(centre, STREAM, 0, "pema", 100, 900)
    position = landed_positions(centre.lake, contracts[STREAM])[0]
    assert backfill(centre, STREAM, 0, "pema").interval == f"p0 500..{position}"
