"""When a sweep saw how far each stream had come in Kafka: what is older than promised and not published is late."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

_KEPT = 400
Positions = Mapping[int, int]


@dataclass(frozen=True)
class Seen:
    """At `at`, seconds since 1970, a stream's next offsets by partition were `positions`."""

    at: float
    positions: Positions

    def missing(self, published: Positions) -> dict[int, int]:
        """The partitions of which not all is published, with the first offset that isn't."""
        return {p: published.get(p, 0) for p, end in sorted(self.positions.items()) if published.get(p, 0) < end}

    def __str__(self) -> str:
        return f"{datetime.fromtimestamp(self.at, UTC):%F %T} UTC"


def waiting(before: Iterable[Seen], now: Seen, published: Positions) -> tuple[Seen, ...]:
    """What was seen and isn't all published, the oldest first; of very many every second is left out."""
    known = [seen for seen in before if seen.missing(published)]
    if now.missing(published) and (not known or known[-1].positions != now.positions):
        known.append(now)
    if len(known) > _KEPT:
        del known[1:-1:2]
    return tuple(known)


def read_seen(run: Path) -> dict[str, tuple[Seen, ...]]:
    """By stream, as the sweep before has left it; a supervisor that is started again goes on with it.

    A file that a power failure has cut short counts as none.
    """
    try:
        known = json.loads(_file(run).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {stream: tuple(_seen(one) for one in entries) for stream, entries in known.items()}


def write_seen(run: Path, known: Mapping[str, tuple[Seen, ...]]) -> None:
    """Keep it for the next sweep."""
    run.mkdir(parents=True, exist_ok=True)
    draft = _file(run).with_suffix(".new")
    draft.write_text(json.dumps({stream: [asdict(seen) for seen in entries] for stream, entries in known.items()}))
    draft.replace(_file(run))


def _seen(document: dict[str, object]) -> Seen:
    positions = document["positions"]
    assert isinstance(positions, dict)
    return Seen(float(str(document["at"])), {int(p): int(end) for p, end in positions.items()})


def _file(run: Path) -> Path:
    return run / "seen.state"
