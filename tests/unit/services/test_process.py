"""Background processes, tried with real ones."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from datacentre.errors import SourceUnavailable
from datacentre.services import process

ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "run"
    yield folder
    process.stop_all(folder, grace_seconds=1)


def _start(run: Path, name: str, script: str) -> process.ServiceProcess:
    return process.start(run, name, ["sh", "-c", script], ENVIRONMENT, run.parent)


def _exists(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("the condition did not come true")


def _read_pid(path: Path) -> int:
    _until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def test_started_process_is_found_again_and_stopped(run: Path) -> None:
    service = process.start(run, "nap", ["sleep", "60"], ENVIRONMENT, run.parent)

    assert process.running(run, "nap") == service
    assert os.getsid(service.pid) == service.pid
    assert process.stop(run, "nap")
    assert process.running(run, "nap") is None
    assert not _exists(service.pid)
    assert not process.stop(run, "nap")


def test_second_start_returns_the_running_process(run: Path) -> None:
    first = _start(run, "nap", "sleep 60")

    assert _start(run, "nap", "sleep 60") == first


def test_output_environment_and_folder_reach_the_process(run: Path) -> None:
    environment = ENVIRONMENT | {"WORD": "kuzuzangpo"}
    service = process.start(run, "say", ["sh", "-c", 'echo "$WORD"; pwd >&2'], environment, run.parent)

    _until(lambda: process.running(run, "say") is None)
    assert process.last_lines(service) == ["kuzuzangpo", str(run.parent)]


def test_grandchildren_end_with_the_process(run: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    _start(run, "family", f"sh -c 'sleep 60 & echo $! > {pid_file}; wait' & wait")
    grandchild = _read_pid(pid_file)

    process.stop(run, "family")

    assert not _exists(grandchild)


def test_grandchildren_end_when_their_leader_has_gone_before(run: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "orphan"
    _start(run, "family", f"sleep 60 & echo $! > {pid_file}")
    orphan = _read_pid(pid_file)
    _until(lambda: process.running(run, "family") is None)

    assert process.stop(run, "family")
    assert not _exists(orphan)


def test_what_outlived_its_leader_ends_before_another_is_started(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "child"
    leader = _start(run, "parent", f"sleep 60 & echo $! > {file}; wait")
    child = _read_pid(file)
    os.kill(leader.pid, signal.SIGKILL)
    _until(lambda: process.running(run, "parent") is None)
    assert _exists(child)

    assert _start(run, "parent", "sleep 60").pid != leader.pid
    assert not _exists(child)


def test_process_that_ignores_the_signal_is_killed_after_the_grace(run: Path) -> None:
    service = _start(run, "stubborn", "trap '' TERM; while :; do sleep 1; done")
    time.sleep(0.2)

    process.stop(run, "stubborn", grace_seconds=0.3)

    assert not _exists(service.pid)


def test_recycled_pid_is_never_ended(run: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        run.mkdir()
        own = _start(run, "own", "sleep 60")
        record = json.loads((run / "own.json").read_text())
        for change in ({"started_ticks": own.started_ticks + 10_000}, {"boot": "another"}):
            stale = record | {"name": "stale", "pid": bystander.pid} | change
            (run / "stale.json").write_text(json.dumps(stale))

            assert process.running(run, "stale") is None
            assert not process.stop(run, "stale")
            assert bystander.poll() is None
            assert not (run / "stale.json").exists()
    finally:
        bystander.send_signal(signal.SIGKILL)
        bystander.wait()


def test_unreadable_record_counts_as_not_running(run: Path) -> None:
    run.mkdir()
    (run / "torn.json").write_text('{"name": "to')

    assert process.running(run, "torn") is None
    assert not process.stop(run, "torn")


def test_what_cannot_be_recorded_does_not_run(run: Path, tmp_path: Path) -> None:
    run.mkdir()
    (run / "part.json.new").symlink_to("/dev/full")  # every write to it fails for want of space
    with pytest.raises(SourceUnavailable, match=r"part can't be recorded in .*: No space left on device"):
        _start(run, "part", f"sleep 60; : {tmp_path}")
    assert process.recorded(run, "part") is None
    commands = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(tmp_path) in command]


def test_missing_program_is_told_in_one_line(run: Path) -> None:
    with pytest.raises(SourceUnavailable, match="ghost can't be started"):
        process.start(run, "ghost", ["/nonexistent/program"], ENVIRONMENT, run.parent)


def test_stop_all_ends_everything_the_youngest_first(run: Path) -> None:
    services = [_start(run, name, "sleep 60") for name in ("broker",)]
    time.sleep(0.05)
    services.append(_start(run, "sink", "sleep 60"))

    assert process.stop_all(run) == ["sink", "broker"]
    assert not any(_exists(service.pid) for service in services)
