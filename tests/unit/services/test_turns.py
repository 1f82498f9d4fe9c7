"""Watches and turns between real processes and threads."""

import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from datacentre.errors import SourceUnavailable
from datacentre.services import turns
from datacentre.services.turns import is_watched, turn, watching

_WATCHER = """
import sys, time
from pathlib import Path
from datacentre.services.turns import watching
with watching(Path(sys.argv[1]), "build"):
    print("watching", flush=True)
    time.sleep(60)
"""


def test_a_watch_is_seen_and_ends_with_its_process(tmp_path: Path) -> None:
    assert not is_watched(tmp_path, "build")
    with subprocess.Popen([sys.executable, "-c", _WATCHER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "watching\n"
        assert is_watched(tmp_path, "build")
        assert not is_watched(tmp_path, "check")
        with pytest.raises(SourceUnavailable, match="another build is going"), watching(tmp_path, "build"):
            pass
        other.kill()
        other.wait()
    with watching(tmp_path, "build"):
        assert is_watched(tmp_path, "build")
    assert not is_watched(tmp_path, "build")


def test_two_that_always_have_work_take_turns(tmp_path: Path) -> None:
    order: list[str] = []
    both = threading.Barrier(2)

    def work(name: str) -> None:
        both.wait()
        for _ in range(8):
            with turn(tmp_path):
                order.append(name)
                time.sleep(0.06)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(order) == ["a"] * 8 + ["b"] * 8
    assert all(one != other for one, other in pairwise(order))


def test_a_turn_that_never_ends_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LONGEST_WAIT_SECONDS", 0.2)
    with turn(tmp_path):
        begun = time.monotonic()
        with turn(tmp_path):
            assert time.monotonic() - begun >= 0.2
