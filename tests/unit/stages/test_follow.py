"""The loops over a real lake, control store and dbt project."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from datacentre.control.certificates import certified_ranges, held, newest_decision, release
from datacentre.control.store import opened
from datacentre.errors import CheckFailed, SourceUnavailable
from datacentre.services.turns import is_watched, watching
from datacentre.settings import Settings
from datacentre.stages import follow
from datacentre.stages.build import build, is_built_to
from datacentre.stages.check import check
from datacentre.stages.follow import Patience, build_as_certified, check_as_it_lands
from datacentre.stages.outcome import Outcome
from lake.marts import published
from tests.unit.stages.conftest import STREAM, Land

Loop = Callable[[Settings, follow.Told, Patience], object]
HASTY = Patience(look=0.02, idle=0.3, longest=60)


def certified_offsets(control: sa.Engine) -> list[int]:
    return sorted(o for r in certified_ranges(control, STREAM) for o in range(r.start_offset, r.next_offset))


class Going:
    """A loop in a thread of its own, with what it has told."""

    def __init__(self, loop: Loop, settings: Settings, patience: Patience = HASTY):
        self.told: list[Outcome] = []
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._work, args=(loop, settings, patience))
        self._thread.start()

    def _work(self, loop: Loop, settings: Settings, patience: Patience) -> None:
        try:
            loop(settings, self.told.append, patience)
        except Exception as problem:
            self._problem = problem

    def wait_for(self, outcomes: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.told) < outcomes:
            assert time.monotonic() < deadline and self._problem is None, self._problem
            time.sleep(0.01)

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive() and self._problem is None, self._problem


def test_check_goes_on_with_what_lands_while_a_build_follows(settings: Settings, land: Land) -> None:
    land(0, 0, 3)
    with watching(settings.run, "build"):
        going = Going(check_as_it_lands, settings)
        for round_ in range(1, 4):
            going.wait_for(round_)
            assert is_watched(settings.run, "check")
            land(0, 3 * round_, 3 * round_ + 3)
        going.join()
    assert not is_watched(settings.run, "check")
    assert [(o.rows_in, o.rows_out) for o in going.told] == [(3, 3)] * 4


def test_check_ends_with_its_first_certificate_where_no_build_follows(settings: Settings, land: Land) -> None:
    land(0, 0, 3)
    begun = time.monotonic()
    seen = check_as_it_lands(settings, lambda _: None, replace(HASTY, idle=60))
    assert time.monotonic() - begun < 30
    assert (seen.certified, seen.unread) == ({STREAM}, {})


def test_what_lands_while_the_watch_is_given_up_is_checked(
    settings: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sink has just seen the watch and said nothing."""
    land(0, 0, 3)

    @contextmanager
    def leaving(run: Path, stage: str) -> Iterator[None]:
        with watching(run, stage):
            yield
            land(0, 3, 7)

    monkeypatch.setattr(follow, "watching", leaving)
    check_as_it_lands(settings, lambda _: None, HASTY)
    with opened(settings.control_url) as control:
        assert certified_offsets(control) == list(range(7))


def test_a_second_check_is_refused(settings: Settings) -> None:
    with watching(settings.run, "check"), pytest.raises(SourceUnavailable, match="another check"):
        check_as_it_lands(settings, print, HASTY)


def test_the_registry_follows_now_and_then_and_at_the_end(settings: Settings, land: Land) -> None:
    land(0, 0, 3)
    check(settings)
    going = Going(build_as_certified, settings, replace(HASTY, idle=2, registry=60))
    for round_ in range(1, 3):
        going.wait_for(round_)
        land(0, 3 * round_, 3 * round_ + 3)
        check(settings)
    going.wait_for(3)
    with opened(settings.control_url) as control:
        assert is_built_to(settings, control, newest_decision(control), with_registry=False)
        assert not is_built_to(settings, control, newest_decision(control))
        going.join()
        assert [o.detail["registry"] for o in going.told] == [False, False, False, True]
        assert is_built_to(settings, control, newest_decision(control))


def test_changed_models_are_not_built_yet(settings: Settings, land: Land, tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(settings.dbt_project, project)
    settings = replace(settings, dbt_project=project)
    land(0, 0, 3)
    check(settings)
    outcome = build(settings)
    with opened(settings.control_url) as control:
        assert outcome.detail["decision"] == newest_decision(control)
        assert is_built_to(settings, control, newest_decision(control))
        with (project / "macros" / "streams.sql").open("a") as macro:
            macro.write("\n")
        assert not is_built_to(settings, control, newest_decision(control))


def shown(settings: Settings) -> dict[int, int]:
    """Rating by offset, in the marts as a reader finds them; empty before the first build."""
    try:
        file = published(settings.marts)
    except CheckFailed:
        return {}
    with duckdb.connect(str(file), read_only=True) as marts:
        rows = marts.execute("select feedback_id, rating from marts.fct_service_feedback").fetchall()
    return {int(number.rpartition("-")[2]): rating for number, rating in rows}


def test_marts_hold_certified_rows_only_while_a_writer_runs(settings: Settings, land: Land) -> None:
    """Every other commit breaks the contract behind the row check's back, as a program of another kind would."""
    land(0, 0, 5)
    check(settings)
    build(settings)
    patient = replace(HASTY, idle=2)
    with opened(settings.control_url) as control:
        assert is_built_to(settings, control, newest_decision(control))

        def write() -> None:
            for number in range(1, 4):
                decided = newest_decision(control)
                land(0, 5 * number, 5 * number + 5, rating=4 if number % 2 else 9)
                while newest_decision(control) == decided:
                    time.sleep(0.01)

        loops = [Going(build_as_certified, settings, patient), Going(check_as_it_lands, settings, patient)]
        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive():
            seen = shown(settings)
            assert seen.keys() <= set(certified_offsets(control))
            assert 9 not in seen.values()
        for loop in loops:
            loop.join()
        assert shown(settings) == dict.fromkeys([*range(10), *range(15, 20)], 4)
        build_as_certified(settings, pytest.fail, HASTY)  # all is built

        for certificate in held(control, STREAM):
            release(control, certificate.id, "tshering", "looked at")
        build(settings)
        assert sorted(shown(settings)) == list(range(20))
