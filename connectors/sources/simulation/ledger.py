"""What one agency's cases leave for another's: moved households and closed cases."""

from collections import defaultdict, deque
from typing import NamedTuple

from connectors.sources.simulation.population import Person

_NEWCOMERS = 2_000
_RECENT_DAYS = 5


class ClosedCase(NamedTuple):
    """A finished case somebody may give feedback on; `working_days` is how long it took."""

    service_code: str
    office_code: str | None
    application_id: str | None
    person: Person
    working_days: float
    is_granted: bool


class Ledger:
    """Moves and closings come into force when `begin_day` passes their day.

    `closed` holds the cases closed on the last five days, `newcomers` who was registered lately.
    """

    def __init__(self) -> None:
        self.closed: list[ClosedCase] = []
        self.newcomers: deque[Person] = deque(maxlen=_NEWCOMERS)
        self._recent: deque[list[ClosedCase]] = deque(maxlen=_RECENT_DAYS)
        self._gewog: dict[int, str] = {}
        self._moving: set[int] = set()
        self._moves: defaultdict[int, list[tuple[tuple[Person, ...], str]]] = defaultdict(list)
        self._closings: defaultdict[int, list[ClosedCase]] = defaultdict(list)

    def begin_day(self, day: int) -> None:
        """Apply what was settled on the day before."""
        self._recent.append(self._closings.pop(day - 1, []))
        self.closed = [case for closings in self._recent for case in closings]
        for people, gewog in self._moves.pop(day - 1, ()):
            for person in people:
                self._gewog[person.position] = gewog
                self._moving.discard(person.position)
            self.newcomers.extend(people)

    def gewog_of(self, person: Person) -> str:
        """Where the person is registered by now."""
        return self._gewog.get(person.position, person.gewog_code)

    def is_moving(self, person: Person) -> bool:
        return person.position in self._moving

    def begin_move(self, people: tuple[Person, ...]) -> None:
        self._moving.update(person.position for person in people)

    def end_move(self, day: int, people: tuple[Person, ...], gewog: str) -> None:
        """On `day` the move ends: registered in `gewog`."""
        self._moves[day].append((people, gewog))

    def close(self, day: int, case: ClosedCase) -> None:
        self._closings[day].append(case)
