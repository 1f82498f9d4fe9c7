"""Events of the simulated agencies that name people, and whom each visit really is about."""

from collections.abc import Iterator
from datetime import UTC, datetime

from connectors.sources.simulation import DefectShares, OutgoingRecord
from connectors.sources.simulation.census_transfer import CensusTransfers
from connectors.sources.simulation.civil_registration import CardApplications
from connectors.sources.simulation.clock import Clock
from connectors.sources.simulation.dispatch import Dispatch
from connectors.sources.simulation.hospital import VISIT_STREAM, HospitalVisits
from connectors.sources.simulation.ledger import Ledger
from connectors.sources.simulation.population import Person, Population
from connectors.sources.simulation.record import Event
from connectors.sources.simulation.reference import read_reference
from datacentre.contracts import load_contracts
from datacentre.settings import Settings

_UNTIL = datetime(2025, 12, 1, tzinfo=UTC)
_DAYS = 360
_SEED = 2026
_MOVES_PER_CARD = 0.2


class Country:
    """Citizens of one seed. `patients` is the truth: the person by visit; `doubtful` are the visits with a record
    that has no number or another one than hers."""

    def __init__(self, settings: Settings, citizens: int) -> None:
        self._reference = read_reference(settings.reference)
        self._contracts = load_contracts(settings.schemas)
        zone = self._contracts[VISIT_STREAM].time_zone
        self._clock = Clock(_UNTIL, _DAYS, zone, self._reference.holidays)
        self._population = Population(self._reference, _SEED, citizens)
        self._asked = {(person.birth_date, person.phone): person for person in self._population.people}
        self._numbered = {person.cid: person for person in self._population.people}
        self.patients: dict[str, Person] = {}
        self.doubtful: set[str] = set()

    def events(self, run: str, cards: int, visits: int) -> Iterator[OutgoingRecord]:
        """So many card applications, some moves, and so many visits, in the order in which they arrive."""
        return self._sent(run, {"cards": cards, "moves": round(cards * _MOVES_PER_CARD), "visits": visits})

    def doubtful_visits(self, run: str, visits: int) -> Iterator[OutgoingRecord]:
        """Of so many more visits those that are doubtful."""
        for event in self._sent(run, {"visits": visits}):
            if event.key.decode() in self.doubtful:
                yield event

    def _sent(self, run: str, counts: dict[str, int]) -> Iterator[OutgoingRecord]:
        clock, ledger, seed = self._clock, Ledger(), f"{_SEED}/{run}"
        given = (clock, self._reference, self._population, ledger, seed, run)
        agencies = {
            "cards": CardApplications(*given),
            "moves": CensusTransfers(*given),
            "visits": HospitalVisits(*given),
        }
        dispatch = Dispatch(self._contracts, clock, DefectShares(), seed, run)
        days = range(clock.first_day, clock.last_day + 1)
        for number, day in enumerate(days):
            ledger.begin_day(day)
            for agency, count in counts.items():
                for _ in range(count * (number + 1) // len(days) - count * number // len(days)):
                    case = agencies[agency].case(day)
                    self._note(case)
                    dispatch.post(case)
            yield from dispatch.take(day)

    def _note(self, case: list[Event]) -> None:
        """Whoever is in doubt was asked for birth date and phone; all others gave their own number."""
        if case[0][0] != VISIT_STREAM:
            return
        visit, told = case[0][1], [fields for _, _, _, fields in case if "sex" in fields]
        asked = next((fields for fields in told if "phone" in fields), None)
        person = self._asked[asked["birth_date"], asked["phone"]] if asked else self._numbered[told[0]["cid"]]
        self.patients[visit] = person
        if any(fields.get("cid") != person.cid for fields in told):
            self.doubtful.add(visit)
