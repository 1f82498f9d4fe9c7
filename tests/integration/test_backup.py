"""The centre comes back from a backup that was made while it ran, and loses nothing that the topic still has."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from datacentre.contracts import Contract
from datacentre.control.certificates import certified_ranges
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.backup import backup, read_manifest
from datacentre.stages.build import build
from datacentre.stages.check import check
from datacentre.stages.land import land
from datacentre.stages.restore import restore
from datacentre.stages.verify import verify
from lake.marts import published
from lake.positions import landed_positions
from tests.conftest import command_environment
from tests.votes import STREAM, produce, vote

pytestmark = pytest.mark.broker


@pytest.fixture
def contract(contracts: dict[str, Contract]) -> Contract:
    return contracts[STREAM]


@contextmanager
def sink(centre: Settings) -> Iterator[None]:
    """A sink of its own, as `up` starts it, that commits several times a second."""
    environment = command_environment(centre) | {"DATACENTRE_FLUSH_SECONDS": "0.05"}
    process = subprocess.Popen([sys.executable, "-m", "datacentre.cli", "sink", STREAM], env=environment)
    yield
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def landed(centre: Settings, contract: Contract) -> int:
    return sum(landed_positions(centre.lake, contract).values())


def votes(centre: Settings) -> list[tuple[object, ...]]:
    with closing(duckdb.connect(str(published(centre.marts)), read_only=True)) as marts:
        return marts.execute(
            "select * exclude (certificate_id) from marts.fct_deliberation_vote order by all"
        ).fetchall()


def differences(centre: Settings) -> list[str]:
    return [d for r in verify(centre, [STREAM]) for d in r.differences]


def test_a_lost_home_comes_back_and_what_came_later_lands_once(
    centre: Settings, contract: Contract, tmp_path: Path
) -> None:
    centre = replace(centre, home=tmp_path / "home", backup_folder=str(tmp_path / "backups"))
    centre = replace(centre, control_url=centre.own_control_url)
    produce(centre, (vote(contract, n) for n in range(2_000)))
    land(centre, [STREAM])
    check(centre, [STREAM])
    build(centre)
    known = votes(centre)
    with sink(centre):
        for burst in range(2_000, 6_000, 250):
            produce(centre, (vote(contract, n) for n in range(burst, burst + 250)))
            if burst == 3_000:
                while landed(centre, contract) < 3_000:
                    time.sleep(0.02)
                made = backup(centre)
        while landed(centre, contract) < 6_000:
            time.sleep(0.02)
    held = sum(next(t for t in read_manifest(made).tables if t.layer == "landed").positions.values())
    assert 3_000 <= held < 6_000
    shutil.rmtree(centre.home)

    restore(centre, made)
    assert landed(centre, contract) == held
    assert votes(centre) == known
    assert differences(centre) != []
    produce(centre, (vote(contract, n) for n in range(6_000, 7_000)))
    land(centre, [STREAM])
    reports = verify(centre, [STREAM])
    assert [d for r in reports for d in r.differences] == []
    assert sum(r.landed + r.quarantined for r in reports) == 7_000
    build(centre)
    assert votes(centre) == known
    check(centre, [STREAM])
    with opened(centre.control_url) as control:
        assert sum(r.next_offset - r.start_offset for r in certified_ranges(control, STREAM)) == 7_000
