"""Judge continuously whether what agencies send gets into the marts as soon as each contract promises."""

import logging
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

import sqlalchemy as sa

from connectors.topic_ends import TopicEnds
from datacentre.contracts import Contract
from datacentre.control.freshness import Freshness, newest_freshness
from datacentre.control.published import last_certificate, published_through
from datacentre.errors import DataCentreError
from datacentre.settings import Settings
from datacentre.stages.seen import Positions, Seen, read_seen, waiting, write_seen
from lake.positions import landed_bases, landed_positions

_QUIET_SECONDS = 600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lateness:
    """By stream, in words, what is late; `undecided` are those of which neither can be said: they couldn't be read, or
    nothing is late while the newest rows were published too late, less than ten minutes ago."""

    late: dict[str, str] = field(default_factory=dict)
    undecided: set[str] = field(default_factory=set)


def judge_lateness(settings: Settings, control: sa.Engine, contracts: Mapping[str, Contract]) -> Lateness:
    """What was seen in Kafka, or landed where no broker answers, longer ago than promised and isn't published."""
    found, before, now = Lateness(), read_seen(settings.run), time.time()
    ends, number, fresh = _ends(settings, contracts), last_certificate(control), newest_freshness(control)
    known: dict[str, tuple[Seen, ...]] = {}
    for key, contract in contracts.items():
        published = published_through(control, key, number)
        try:
            known[key] = waiting(before.get(key, ()), Seen(now, _positions(settings, contract, ends)), published)
        except DataCentreError as problem:
            _log.error("%s: lateness can't be judged: %s", key, problem)
            known[key] = before.get(key, ())
            found.undecided.add(key)
            continue
        if known[key] and now - known[key][0].at > contract.freshness_seconds:
            found.late[key] = _told(known[key][0], now, contract, published)
        elif key in fresh and _came_late(fresh[key], contract, now):
            found.undecided.add(key)
    write_seen(settings.run, known)
    return found


def _ends(settings: Settings, contracts: Mapping[str, Contract]) -> Mapping[str, Positions]:
    """By stream, the topic's end as the topic counts; empty while no broker answers."""
    try:
        with closing(TopicEnds(settings.bootstrap_servers)) as ends:
            return ends.read(contracts)
    except DataCentreError as problem:
        _log.error("lateness is judged by what has landed: %s", problem)
        return {}


def _positions(settings: Settings, contract: Contract, ends: Mapping[str, Positions]) -> Positions:
    """As the lake counts."""
    if contract.key not in ends:
        return landed_positions(settings.lake, contract)
    bases = landed_bases(settings.lake, contract)
    return {p: end + bases.get(p, 0) for p, end in ends[contract.key].items()}


def _came_late(shown: Freshness, contract: Contract, now: float) -> bool:
    is_recent = now - shown.published_at.timestamp() < _QUIET_SECONDS
    return is_recent and shown.produced_p95 > contract.freshness_seconds


def _told(oldest: Seen, now: float, contract: Contract, published: Positions) -> str:
    where = ", ".join(f"p{p} from {first}" for p, first in oldest.missing(published).items())
    return (
        f"what had arrived at {oldest} isn't in the marts after {now - oldest.at:.0f} s, "
        f"promised {contract.freshness_seconds} (offsets {where})"
    )
