"""Background processes of this home: started in a session of their own, found again, ended whole.

What is known of a process stands in `<run>/<name>.json`, its output in `<run>/<name>.log`. The kernel
gives pids out again, so a record also holds the start time: a process counts as ours only while both agree.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from datacentre.errors import SourceUnavailable

_POLL_SECONDS = 0.05
_LEFT_SECONDS = 3.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")

# Ended children must be collected by the process that started them, or they stay behind as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class ServiceProcess:
    """One started process; `pid` is also the id of its group and session.

    `started_ticks` is the kernel's start time: clock ticks since the boot named by `boot`, field 22 of
    /proc/<pid>/stat.
    """

    name: str
    pid: int
    started_ticks: int
    boot: str
    log: Path


@dataclass(frozen=True)
class _Stat:
    pid: int
    state: str
    group: int
    session: int
    started_ticks: int


def start(run: Path, name: str, argv: Sequence[str], environment: Mapping[str, str], cwd: Path) -> ServiceProcess:
    """Start `argv` in a session of its own and record it; return the one that runs already, if any.

    What is left of the session of one that died is ended first.

    `environment` is the whole environment of the process. Raises SourceUnavailable when the program
    can't be started, or can't be recorded: nothing runs then that nobody knows of.
    """
    run.mkdir(parents=True, exist_ok=True)
    with _locked(run):
        already = running(run, name)
        if already is not None:
            return already
        stop(run, name, _LEFT_SECONDS)
        log = run / f"{name}.log"
        popen = _spawn(name, argv, environment, cwd, log)
        stat = _stat(popen.pid)
        service = ServiceProcess(name, popen.pid, stat.started_ticks if stat else 0, _boot(), log)
        _record(run, service)
    return service


def running(run: Path, name: str) -> ServiceProcess | None:
    """The recorded process when it is alive and still the one that was started."""
    service = recorded(run, name)
    return service if service is not None and _is_alive(service) else None


def is_frozen(service: ServiceProcess) -> bool:
    """Whether a signal or a debugger has stopped it: it lives and does nothing."""
    stat = _stat(service.pid)
    return stat is not None and stat.state in "Tt"


def recorded(run: Path, name: str) -> ServiceProcess | None:
    """What the record says, alive or not; None without a readable record."""
    try:
        record = json.loads((run / f"{name}.json").read_text(encoding="utf-8"))
        return ServiceProcess(
            str(record["name"]),
            int(record["pid"]),
            int(record["started_ticks"]),
            str(record["boot"]),
            Path(record["log"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def started_at(service: ServiceProcess) -> datetime:
    """When it was started, in UTC; of a process of this boot (proc(5): `btime` and field 22 of /proc/<pid>/stat)."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return datetime.fromtimestamp(booted + service.started_ticks / os.sysconf("SC_CLK_TCK"), UTC)


def stop(run: Path, name: str, grace_seconds: float = 10.0) -> bool:
    """End one process and its session; return whether anything had to be ended. See `stop_each`."""
    return stop_each(run, [name], grace_seconds) == [name]


def stop_all(run: Path, grace_seconds: float = 10.0) -> list[str]:
    """End every recorded process, the youngest first; return the names of those that were ended."""
    names = (path.stem for path in run.glob("*.json"))
    services = [service for name in names if (service := recorded(run, name)) is not None]
    services.sort(key=lambda service: service.started_ticks, reverse=True)
    return [service.name for service in services if stop(run, service.name, grace_seconds)]


def stop_each(run: Path, names: Sequence[str], grace_seconds: float = 10.0) -> list[str]:
    """End these processes and their sessions side by side: SIGTERM, `grace_seconds` to leave, SIGKILL.

    Returns the names of those that had to be ended. Ends nothing that this home did not start: when a pid
    was given to another process since, only the record is removed.
    """
    services = [service for name in names if (service := recorded(run, name)) is not None]
    live = [service for service in services if _members(service)]
    _end(live, grace_seconds)
    for name in names:
        (run / f"{name}.json").unlink(missing_ok=True)
    return [service.name for service in live]


def last_lines(service: ServiceProcess, count: int = 20) -> list[str]:
    """The end of the process's log, for an error message."""
    try:
        text = service.log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]


@contextlib.contextmanager
def _locked(run: Path) -> Iterator[None]:
    """One starter at a time in this run folder; the lock is not inherited by what is started."""
    descriptor = os.open(run, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _spawn(
    name: str, argv: Sequence[str], environment: Mapping[str, str], cwd: Path, log: Path
) -> subprocess.Popen[bytes]:
    try:
        with log.open("ab") as output:
            popen = subprocess.Popen(
                list(argv),
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise SourceUnavailable(f"{name} can't be started: {error}") from error
    _children[popen.pid] = popen
    return popen


def _record(run: Path, service: ServiceProcess) -> None:
    """Write the record, or end what was started."""
    try:
        _write_record(run, service)
    except OSError as error:
        _end([service], _LEFT_SECONDS)
        raise SourceUnavailable(f"{service.name} can't be recorded in {run}: {error.strerror}") from None


def _write_record(run: Path, service: ServiceProcess) -> None:
    path = run / f"{service.name}.json"
    draft = path.with_suffix(".json.new")
    draft.write_text(json.dumps(asdict(service) | {"log": str(service.log)}), encoding="utf-8")
    draft.replace(path)


def _is_alive(service: ServiceProcess) -> bool:
    _reap(service.pid)
    stat = _stat(service.pid)
    return (
        stat is not None
        and service.boot == _boot()
        and stat.started_ticks == service.started_ticks
        and stat.state not in "ZX"
    )


def _members(service: ServiceProcess) -> list[int]:
    """Pids of the live processes of the session the service leads or led.

    While one member lives the kernel keeps the session's number from being given to a new process,
    so a leader with another start time means that the whole old session is gone.
    """
    _reap(service.pid)
    if service.boot != _boot():
        return []
    leader = _stat(service.pid)
    if leader is not None and leader.started_ticks != service.started_ticks:
        return []
    stats = (_stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [
        stat.pid
        for stat in stats
        if stat is not None
        and stat.state not in "ZX"
        and service.pid in (stat.session, stat.group)
        and stat.started_ticks >= service.started_ticks
    ]


def _end(services: Sequence[ServiceProcess], grace_seconds: float) -> None:
    _signal_members(services, signal.SIGTERM)
    if not _wait_until_gone(services, grace_seconds):
        _signal_members(services, signal.SIGKILL)
        _wait_until_gone(services, grace_seconds)


def _signal_members(services: Sequence[ServiceProcess], number: signal.Signals) -> None:
    for pid in (pid for service in services for pid in _members(service)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_until_gone(services: Sequence[ServiceProcess], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(_members(service) for service in services):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _reap(pid: int) -> None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]


def _boot() -> str:
    return _BOOT.read_text(encoding="ascii").strip()


def _stat(pid: int) -> _Stat | None:
    """Parse /proc/<pid>/stat (proc(5)); None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(pid, fields[0], int(fields[2]), int(fields[3]), int(fields[19]))
