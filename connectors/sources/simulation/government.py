"""A whole government for some months: its agencies' cases, interleaved as they would arrive."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

from connectors.sources.simulation.census_transfer import TRANSFER_STREAM, CensusTransfers
from connectors.sources.simulation.civil_registration import CID_STREAM, CardApplications
from connectors.sources.simulation.clock import Clock
from connectors.sources.simulation.defects import DefectShares
from connectors.sources.simulation.deliberation import VOTE_STREAM, Deliberations
from connectors.sources.simulation.dispatch import Dispatch
from connectors.sources.simulation.feedback import FEEDBACK_STREAM, ServiceFeedback
from connectors.sources.simulation.hospital import VISIT_STREAM, HospitalVisits
from connectors.sources.simulation.ledger import Ledger
from connectors.sources.simulation.policy import POLICY_STREAM, PolicyActions
from connectors.sources.simulation.population import Population
from connectors.sources.simulation.record import Event, OutgoingRecord, Process
from connectors.sources.simulation.reference import Reference, read_reference
from connectors.sources.simulation.tourism import DEPARTURES_STREAM, SURVEY_STREAM, Departures
from datacentre.contracts.model import Contract
from datacentre.errors import ContractError

STREAM_SHARES = {
    VISIT_STREAM: 0.4,
    CID_STREAM: 0.2,
    TRANSFER_STREAM: 0.1,
    SURVEY_STREAM: 0.08,
    DEPARTURES_STREAM: 0.08,
    FEEDBACK_STREAM: 0.08,
    VOTE_STREAM: 0.059,
    POLICY_STREAM: 0.001,
}
"""Share of all records by stream."""

_PILOT_CASES = 200
_LEAST_EVENTS_PER_CASE = 0.05


def generate(
    contracts: Mapping[str, Contract],
    reference: Path,
    seed: int,
    records: int,
    until: datetime,
    defects: DefectShares,
    days: int = 90,
    citizens: int | None = None,
) -> Iterator[OutgoingRecord]:
    """About `records` records of all streams in the order they arrive, over `days` up to `until`.

    The same arguments give the same bytes; other arguments give other event and case ids, but the
    same seed always means the same citizens. `until` needs a zone; no event is later. Raises
    ContractError for a missing contract or reference list.
    """
    missing = [key for key in STREAM_SHARES if key not in contracts]
    if missing:
        raise ContractError(f"the simulation needs a contract for {', '.join(missing)}")
    if records < 1 or days < 1 or until.tzinfo is None:
        raise ContractError("the simulation needs one record and one day at least, and a zone in `until`")
    lists = read_reference(reference)
    people = citizens or min(60_000, max(1_000, records // 10))
    identity = (seed, records, until.astimezone(UTC).isoformat(), days, people, defects)
    government = _Government(
        clock=Clock(until, days, contracts[VISIT_STREAM].time_zone, lists.holidays),
        reference=lists,
        population=Population(lists, seed, people),
        seed=seed,
        run=hashlib.sha256(repr(identity).encode()).hexdigest()[:6].upper(),
    )
    dispatch = Dispatch(contracts, government.clock, defects, government.stage("dispatch"), government.run)
    for day, cases in government.cases("run", government.case_counts(records / (1 + defects.added))):
        for case in cases:
            dispatch.post(case)
        yield from dispatch.take(day)


@dataclass(frozen=True)
class _Government:
    """The country at rest; `cases` sets it going, as often as wanted and always alike."""

    clock: Clock
    reference: Reference
    population: Population
    seed: int
    run: str

    def stage(self, name: str) -> str:
        """A seed of its own for each use of chance in each run."""
        return f"{self.seed}/{self.run}/{name}"

    def cases(self, stage: str, counts: Mapping[str, int]) -> Iterator[tuple[int, Iterator[list[Event]]]]:
        """Day by day the cases that begin, to be taken before the next day's.

        `counts` says how many of each process in all.
        """
        ledger = Ledger()
        processes = self._processes(self.stage(stage), ledger)
        days = range(self.clock.first_day, self.clock.last_day + 1)
        openings = {name: _openings(process, days, counts[name]) for name, process in processes.items()}
        for position, day in enumerate(days):
            ledger.begin_day(day)
            yield (
                day,
                (process.case(day) for name, process in processes.items() for _ in range(openings[name][position])),
            )

    def case_counts(self, records: float) -> dict[str, int]:
        """Cases of each process that leave so many records, judged by a pilot of a few hundred."""
        shares = dict(STREAM_SHARES)
        shares[DEPARTURES_STREAM] += shares.pop(SURVEY_STREAM)
        events = dict.fromkeys(shares, 0)
        for _, cases in self.cases("pilot", dict.fromkeys(shares, _PILOT_CASES)):
            for stream, _, at, _ in (event for case in cases for event in case):
                if at <= self.clock.until:
                    events[DEPARTURES_STREAM if stream == SURVEY_STREAM else stream] += 1
        means = {name: max(_LEAST_EVENTS_PER_CASE, n / _PILOT_CASES) for name, n in events.items()}
        return {name: max(1, round(records * share / means[name])) for name, share in shares.items()}

    def _processes(self, seed: str, ledger: Ledger) -> dict[str, Process]:
        """By the stream each is known for; flights bring the exit survey with them."""
        clock, reference, population, run = self.clock, self.reference, self.population, self.run
        answers = STREAM_SHARES[SURVEY_STREAM] / STREAM_SHARES[DEPARTURES_STREAM]
        return {
            CID_STREAM: CardApplications(clock, reference, population, ledger, seed, run),
            TRANSFER_STREAM: CensusTransfers(clock, reference, population, ledger, seed, run),
            VISIT_STREAM: HospitalVisits(clock, reference, population, ledger, seed, run),
            DEPARTURES_STREAM: Departures(clock, reference, seed, run, answers),
            VOTE_STREAM: Deliberations(clock, self.seed, seed),
            POLICY_STREAM: PolicyActions(clock, reference, seed, run),
            FEEDBACK_STREAM: ServiceFeedback(clock, reference, population, ledger, seed, run),
        }


def _openings(process: Process, days: range, count: int) -> list[int]:
    """Cases that begin on each day, in proportion to its weight, `count` in all."""
    reached = list(accumulate(process.weight(day) for day in days))
    if reached[-1] <= 0:
        return [0] * len(days)
    opened = [int(count * part / reached[-1] + 0.5) for part in reached]
    return [today - before for before, today in zip([0, *opened], opened, strict=False)]
