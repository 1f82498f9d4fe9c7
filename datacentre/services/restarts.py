"""How often, and when last, what had died was started again; counted since `up` first started it."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = 3
_FILE = "started_again.state"


@dataclass(frozen=True)
class Restarts:
    """Of one part; `last` are the times of the newest `KEPT`, in seconds since 1970, the oldest first."""

    count: int
    last: tuple[float, ...]


def restarts(run: Path) -> Counter[str]:
    """How often, by part."""
    return Counter({name: found.count for name, found in restarts_by_part(run).items()})


def restarts_by_part(run: Path) -> dict[str, Restarts]:
    """Of the parts that were started again at all. A file that a power failure has cut short counts as none."""
    try:
        known = json.loads((run / _FILE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: Restarts(found["count"], tuple(found["last"])) for name, found in known.items()}


def note_restart(run: Path, name: str, at: float) -> int:
    """Count one more, at `at` in seconds since 1970; returns how many there are.

    The caller holds `supervisor.wanted`, as for `forget_restarts`.
    """
    known = restarts_by_part(run)
    before = known.get(name, Restarts(0, ()))
    known[name] = Restarts(before.count + 1, (*before.last, at)[-KEPT:])
    _write(run, known)
    return known[name].count


def forget_restarts(run: Path, name: str) -> None:
    """Count a part's restarts from 0."""
    known = restarts_by_part(run)
    if known.pop(name, None) is not None:
        _write(run, known)


def _write(run: Path, known: dict[str, Restarts]) -> None:
    draft = (run / _FILE).with_suffix(".new")
    draft.write_text(json.dumps({name: asdict(found) for name, found in known.items()}))
    draft.replace(run / _FILE)
