"""Applications of households to be registered in another dzongkhag, and their steps."""

from random import Random

from connectors.sources.simulation.chance import lognormal, weighted
from connectors.sources.simulation.civil_registration import OfficeDesks
from connectors.sources.simulation.clock import DAY, OFFICE_DAY, Clock
from connectors.sources.simulation.ledger import ClosedCase, Ledger
from connectors.sources.simulation.population import Person, Population
from connectors.sources.simulation.record import Event, Fields
from connectors.sources.simulation.reference import Reference

TRANSFER_STREAM = "dcrc__census_transfer"

_CAUSES = weighted({"employment": 34, "marriage": 26, "family": 16, "education": 10, "land": 9, "other": 5})
_PATH = (
    ("origin_verified", 0.2, "clerk"),
    ("destination_accepted", 0.3, "clerk"),
    ("dzongkhag_approved", 0.35, "supervisor"),
    ("registered", 0.15, "system"),
)
_REASONS = {
    "rejected": ("Land record does not match", "Destination household did not consent", "Dues are open"),
    "withdrawn": ("Family decided to stay", "Applied in the wrong gewog"),
}
_TOWNWARD = 1.4
_STANDARD_DAYS = 20.0


class CensusTransfers:
    """Opens transfers, mostly towards populous dzongkhags; a registered one moves the people."""

    def __init__(self, clock: Clock, reference: Reference, population: Population, ledger: Ledger, seed: str, run: str):
        self._random = Random(f"{seed}/transfer")
        self._clock, self._population, self._ledger, self._run = clock, population, ledger, run
        self._dzongkhag_of = reference.dzongkhag_of
        self._desks = OfficeDesks(reference, Random(f"{seed}/offices"))
        self._destinations = weighted({code: count**_TOWNWARD for code, count in reference.gewogs.items()})
        standard = {s.code: s.standard_working_days for s in reference.services}
        self._standard = standard.get("census-transfer", _STANDARD_DAYS) * OFFICE_DAY
        self._spread = lognormal(0.7, 0.6)
        self._count = 0

    def weight(self, day: int) -> float:
        return 1.0 if self._clock.is_open(day) else 0.05

    def case(self, day: int) -> list[Event]:
        rnd, clock = self._random.random, self._clock
        movers = self._movers(day)
        origin = self._ledger.gewog_of(movers[0])
        destination = self._destination(origin)
        self._count += 1
        application = f"CT-{self._run}-{self._count:06d}"
        common: Fields = {
            "application_id": application,
            "applicant_cid": movers[0].cid,
            "from_gewog_code": origin,
            "to_gewog_code": destination,
        }
        is_online = rnd() < 0.5 or not clock.is_open(day)
        at = clock.lodged_at(day, is_online, rnd())
        home = self._desks.office(origin, "office", rnd())
        submitted: Fields = {"step": "submitted", **common, "member_cids": [p.cid for p in movers[1:]]}
        submitted["household_number"] = movers[0].household_number
        submitted["transfer_reason"] = _CAUSES(rnd())
        submitted["office_code"] = home
        submitted["actor_role"] = "citizen" if is_online else "clerk"
        events: list[Event] = [(TRANSFER_STREAM, application, at, submitted)]
        self._steps(events, common, movers, home, clock.working_second(at))
        return events

    def _steps(self, events: list[Event], common: Fields, movers: tuple[Person, ...], home: str, begun: int) -> None:
        rnd, clock, ledger = self._random.random, self._clock, self._ledger
        away = self._desks.office(common["to_gewog_code"], "office", rnd())
        slowness = (self._desks.slowness[home] + self._desks.slowness[away]) / 2
        path, stuck_before = self._course()
        ledger.begin_move(movers)
        second = begun + 60.0
        for position, (step, share, role) in enumerate(path):
            if position == stuck_before:
                return
            second += self._standard * share * slowness * self._spread(rnd())
            office = home if step == "origin_verified" else away
            fields: Fields = {"step": step, **common, "office_code": office, "actor_role": role}
            if step in _REASONS:
                fields["reason"] = _REASONS[step][int(rnd() * len(_REASONS[step]))]
            events.append((TRANSFER_STREAM, common["application_id"], clock.at_office(second), fields))
        is_granted = path[-1][0] == "registered"
        done, days = events[-1][2] // DAY, (second - begun) / OFFICE_DAY
        ledger.end_move(done, movers, common["to_gewog_code" if is_granted else "from_gewog_code"])
        applicant, application = movers[0], common["application_id"]
        ledger.close(done, ClosedCase("census-transfer", away, application, applicant, days, is_granted))

    def _course(self) -> tuple[tuple[tuple[str, float, str], ...], int]:
        """The steps, and the position where the case gets stuck (-1: nowhere)."""
        u = self._random.random()
        if u < 0.06:
            return _PATH, 1 + int(u / 0.06 * 3)
        if u < 0.11:
            return (*_PATH[:1], ("rejected", 0.4, "supervisor")), -1
        if u < 0.14:
            return (*_PATH[:2], ("withdrawn", 0.2, "citizen")), -1
        return _PATH, -1

    def _movers(self, day: int) -> tuple[Person, ...]:
        """An adult who isn't moving yet and, often, others of the household."""
        for _ in range(20):
            applicant = self._population.adult(self._random, day)
            if not self._ledger.is_moving(applicant):
                break
        if self._random.random() < 0.55:
            return (applicant,)
        household = (self._population.people[position] for position in applicant.household)
        return (applicant, *(p for p in household if p is not applicant and not self._ledger.is_moving(p)))

    def _destination(self, origin: str) -> str:
        """A gewog of another dzongkhag."""
        home = self._dzongkhag_of[origin]
        while True:
            destination = self._destinations(self._random.random())
            if self._dzongkhag_of[destination] != home:
                return destination
