"""Upkeep of streams whose sinks rest."""

from datacentre.control.outcomes import recent
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.upkeep import upkeep
from lake.upkeep import Upkeep
from tests.unit.stages.conftest import STREAM, Land


def test_small_files_are_merged_and_it_is_told_once(settings: Settings, land: Land) -> None:
    for start in range(0, 24, 2):
        land(0, start, start + 2)
    told: list[int] = []

    assert upkeep(settings, [STREAM], 0, told.append) == (Upkeep(STREAM, "landed", 12, 1, 12),)
    assert upkeep(settings, [STREAM], 168, told.append) == (Upkeep(STREAM, "landed", 0, 0, 0),)
    assert told == [1, 1]
    with opened(settings.control_url) as control:
        (outcome,) = recent(control, "upkeep")
    assert (outcome.stream, outcome.detail) == (STREAM, {"landed": {"merged": 12, "made": 1, "deleted": 12}})
