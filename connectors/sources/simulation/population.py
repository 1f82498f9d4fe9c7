"""Synthetic citizens: households, names and numbers that belong to nobody.

Seeded by its own seed alone and drawn one household after the other, so a larger population begins
with the same people and later runs meet them again.
"""

from dataclasses import dataclass
from datetime import date
from random import Random

from connectors.sources.simulation.chance import weighted
from connectors.sources.simulation.clock import date_of, day_of
from connectors.sources.simulation.reference import Reference

_BORN_BEFORE = day_of(date(2022, 1, 1))
# fmt: off
_FIRST = [
    "Tshering", "Sonam", "Karma", "Pema", "Kinley", "Dorji", "Ugyen", "Tenzin",
    "Jigme", "Namgay", "Chencho", "Phuntsho", "Sangay", "Thinley", "Kezang", "Rinchen",
    "Leki", "Tandin", "Dechen", "Choki", "Yeshi", "Nima", "Dawa", "Passang",
    "Lhamo", "Norbu", "Chimi", "Deki", "Rinzin", "Gyem",
]
_SECOND_M = [
    "Dorji", "Wangchuk", "Tshering", "Penjor", "Norbu", "Tobgay", "Dendup", "Rinchen",
    "Gyeltshen", "Namgyel", "Tenzin", "Jamtsho",
]
_SECOND_F = [
    "Lhamo", "Wangmo", "Choden", "Dema", "Yangzom", "Zangmo", "Pelden", "Choki",
    "Lhaden", "Dolkar", "Tshomo", "Yangchen",
]
_SOUTHERN = [
    "Rai", "Gurung", "Tamang", "Subba", "Ghalley", "Chhetri", "Adhikari", "Sharma",
]
_SOUTHERN_FIRST = [
    "Bishnu", "Man", "Dhan", "Kumar", "Hari", "Devi", "Sita", "Indra",
    "Purna", "Maya", "Suk", "Bahadur",
]
_VILLAGE = [
    "Changkha", "Gangtey", "Dangchu", "Yurung", "Bartsham", "Lauri", "Khengzor", "Tsamang",
    "Rukubji", "Phobjikha", "Nabji", "Goenpa", "Zhongmay", "Langthel", "Tashiling", "Kabjisa",
    "Chukha", "Bjena", "Samdrup", "Norbugang", "Umling", "Serthang", "Yoeseltse", "Drujegang",
]
# fmt: on


@dataclass(frozen=True, slots=True)
class Person:
    """One citizen; `birth_day` is a local day, `household` lists the members' positions."""

    position: int
    cid: str
    given_name: str
    family_name: str | None
    sex: str
    birth_date: str
    birth_day: int
    gewog_code: str
    village: str
    household_number: str
    household: range
    phone: str
    hospital_number: str

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.family_name}" if self.family_name else self.given_name

    def age_years(self, day: int) -> int:
        """Completed years of age on a local day, 0 to 120."""
        return min(120, max(0, int((day - self.birth_day) / 365.25)))


class Population:
    """About `size` citizens in households, spread over gewogs as the 2017 census counted them."""

    def __init__(self, reference: Reference, seed: int, size: int):
        self._random = Random(f"{seed}/population")
        self._gewog = weighted(reference.gewogs)
        self.people: list[Person] = []
        while len(self.people) < size:
            self._add_household()

    def adult(self, random: Random, day: int) -> Person:
        """A person who is at least 18 on that day."""
        while True:
            person = self.people[int(random.random() * len(self.people))]
            if day - person.birth_day > 6575:
                return person

    def anybody(self, random: Random) -> Person:
        return self.people[int(random.random() * len(self.people))]

    def guardian(self, person: Person) -> Person:
        """The head of the person's household, who is an adult."""
        return self.people[person.household[0]]

    def _add_household(self) -> None:
        rnd = self._random.random
        gewog, village = self._gewog(rnd()), _VILLAGE[int(rnd() * len(_VILLAGE))]
        first = len(self.people)
        members = range(first, first + 1 + int(rnd() * 3) + int(rnd() * 4))
        is_southern = rnd() < 0.12
        for member in members:
            age_days = self._age_days(member - first)
            self.people.append(self._person(member, members, gewog, village, age_days, is_southern))

    def _age_days(self, place: int) -> int:
        """Head and spouse are adults, the rest mostly children, sometimes an elder."""
        rnd = self._random.random
        if place < 2:
            return int(365.25 * (21 + rnd() * 45))
        return int(365.25 * (rnd() * 20 if rnd() < 0.8 else 60 + rnd() * 30))

    def _person(
        self, position: int, household: range, gewog: str, village: str, age_days: int, is_southern: bool
    ) -> Person:
        rnd = self._random.random
        is_female = rnd() < 0.48
        given, family = self._name(is_female, is_southern)
        birth_day = _BORN_BEFORE - 1 - age_days
        place = gewog[-4:] if gewog[-4:].isdigit() else "0000"
        return Person(
            position=position,
            cid=f"1{place}{position:06d}"[:11],
            given_name=given,
            family_name=family,
            sex="O" if rnd() < 0.001 else "F" if is_female else "M",
            birth_date=date_of(birth_day).isoformat(),
            birth_day=birth_day,
            gewog_code=gewog,
            village=village,
            household_number=f"{place}-{household[0]:06d}",
            household=household,
            phone=f"+975{17 if rnd() < 0.7 else 77}{int(rnd() * 1_000_000):06d}",
            hospital_number=str(100_000 + position),
        )

    def _name(self, is_female: bool, is_southern: bool) -> tuple[str, str | None]:
        """Most have one or two names and no family name; a part of the south carries one."""
        rnd = self._random.random
        if is_southern:
            return _any(_SOUTHERN_FIRST, rnd()), _any(_SOUTHERN, rnd())
        first = _any(_FIRST, rnd())
        if rnd() < 0.08:
            return first, None
        return f"{first} {_any(_SECOND_F if is_female else _SECOND_M, rnd())}", None


def _any(names: list[str], uniform: float) -> str:
    return names[int(uniform * len(names))]
