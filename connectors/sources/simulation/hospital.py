"""Visits to the national referral hospital: bookings, arrivals, consultations, no-shows, walk-ins.

The chance of a no-show rises with the days between booking and slot, as clinics commonly find; waits
are longest in the late morning.
"""

from math import exp
from random import Random

from connectors.sources.simulation.chance import lognormal, weighted
from connectors.sources.simulation.clock import DAY, Clock
from connectors.sources.simulation.ledger import ClosedCase, Ledger
from connectors.sources.simulation.population import Person, Population
from connectors.sources.simulation.record import Event, Fields
from connectors.sources.simulation.reference import Department, Reference

VISIT_STREAM = "jdwnrh__hospital_visit"

_BOOKED_SHARE, _URGENT_SHARE = 0.62, 0.1
_WITHOUT_NUMBER, _MISTYPED = 0.03, 0.02
_OPENS, _LAST_SLOT = 9 * 3600, 15 * 3600
_REFERRALS = weighted({"self": 46, "none": 20, "district_hospital": 16, "bhu": 10, "internal": 8})
_TRIAGE = weighted({1: 3, 2: 12, 3: 40, 4: 32, 5: 13})
_WEEKDAY = (1.25, 1.1, 1.0, 0.95, 0.9)


def no_show_chance(lead_days: int) -> float:
    """Chance that a booked patient doesn't come, by days between booking and slot: 5 to 32 %."""
    return 0.05 + 0.27 * (1 - exp(-lead_days / 14))


class HospitalVisits:
    """Opens visits: some booked days ahead, some walk-ins of the day, some urgent at any hour."""

    def __init__(self, clock: Clock, reference: Reference, population: Population, ledger: Ledger, seed: str, run: str):
        self._random = Random(f"{seed}/hospital")
        self._clock, self._population, self._ledger, self._run = clock, population, ledger, run
        clinics = {d: d.daily_capacity for d in reference.departments if d.kind != "emergency"}
        emergencies = {d: d.daily_capacity for d in reference.departments if d.kind == "emergency"}
        self._clinics, self._emergencies = weighted(clinics), weighted(emergencies or clinics)
        near = {office.dzongkhag_code for office in reference.offices_of("jdwnrh")}
        self._near = {gewog for gewog, dzongkhag in reference.dzongkhag_of.items() if dzongkhag in near}
        self._desk = next((office.code for office in reference.offices_of("jdwnrh")), None)
        self._leads, self._waits = lognormal(6.0, 0.9), lognormal(38.0, 0.7)
        self._lengths = lognormal(0.9, 0.35)
        self._count = 0

    def weight(self, day: int) -> float:
        return _WEEKDAY[(day + 3) % 7] if self._clock.is_open(day) else 0.12

    def case(self, day: int) -> list[Event]:
        u = self._random.random()
        self._count += 1
        visit = f"V-{self._run}-{self._count:07d}"
        person = self._patient(day)
        if not self._clock.is_open(day) or u < _URGENT_SHARE:
            return self._urgent(visit, person, day)
        if u < _URGENT_SHARE + _BOOKED_SHARE:
            return self._booked(visit, person, day)
        return self._walk_in(visit, person, day)

    def _urgent(self, visit: str, person: Person, day: int) -> list[Event]:
        rnd = self._random.random
        arrival = day * DAY + int(DAY * (0.25 + 0.75 * rnd() if rnd() < 0.85 else rnd()))
        triage = _TRIAGE(rnd())
        fields = {"visit_type": "urgent", "triage": triage, "referral": _REFERRALS(rnd())}
        return self._stay(visit, person, self._emergencies(rnd()), arrival, fields, wait_factor=triage / 6)

    def _walk_in(self, visit: str, person: Person, day: int) -> list[Event]:
        rnd = self._random.random
        arrival = day * DAY + 30_600 + int(19_000 * rnd() * rnd())
        fields = {"visit_type": "walk_in", "referral": _REFERRALS(rnd())}
        return self._stay(visit, person, self._clinics(rnd()), arrival, fields, wait_factor=1.3)

    def _booked(self, visit: str, person: Person, day: int) -> list[Event]:
        rnd, clock = self._random.random, self._clock
        department = self._clinics(rnd())
        booked_at = day * DAY + 30_600 + int(28_000 * rnd())
        slot_day = clock.next_open_day(day + 1 + min(90, int(self._leads(rnd()))))
        slot = self._slot(slot_day, department)
        common: Fields = {"department_code": department.code}
        common["visit_type"] = "follow_up" if rnd() < 0.4 else "new"
        booking: Fields = {"visit_id": visit, "event": "booked", **self._identity(person, day)}
        booking |= {**common, **slot, "referral": _REFERRALS(rnd())}
        events: list[Event] = [(VISIT_STREAM, visit, booked_at, booking)]
        u = rnd()
        if u < 0.05:
            self._cancel(events, common, slot, slot_day)
            return events
        if u < 0.11:
            slot_day = self._move(events, common, department, slot_day)
            slot = events[-1][3]
        at = slot_day * DAY + int(slot["slot_at"][11:13]) * 3600 + int(slot["slot_at"][14:16]) * 60
        slot = {name: slot[name] for name in ("slot_date", "slot_at", "slot_minutes")}
        if rnd() < no_show_chance(slot_day - day):
            fields = {"visit_id": visit, "event": "no_show", **common, **slot}
            events.append((VISIT_STREAM, visit, slot_day * DAY + 59_400 + int(rnd() * 1800), fields))
            return events
        arrival = at - 2400 + int(rnd() * 3000)
        events += self._stay(visit, person, department, arrival, {**common, **slot}, wait_factor=0.8, due=at)
        return events

    def _slot(self, day: int, department: Department) -> Fields:
        slots = (_LAST_SLOT - _OPENS) // (department.slot_minutes * 60)
        at = day * DAY + _OPENS + int(self._random.random() * slots) * department.slot_minutes * 60
        return {
            "slot_date": self._clock.day_text[day],
            "slot_at": self._clock.text(at),
            "slot_minutes": department.slot_minutes,
        }

    def _cancel(self, events: list[Event], common: Fields, slot: Fields, slot_day: int) -> None:
        _, visit, booked_at, _ = events[0]
        at = booked_at + int((slot_day * DAY + 25_000 - booked_at) * self._random.random())
        events.append((VISIT_STREAM, visit, at, {"visit_id": visit, "event": "cancelled", **common, **slot}))

    def _move(self, events: list[Event], common: Fields, department: Department, slot_day: int) -> int:
        """Moves the slot one to two weeks on; returns the new day."""
        rnd, (_, visit, booked_at, _) = self._random.random, events[0]
        at = booked_at + int((slot_day * DAY + 25_000 - booked_at) * rnd())
        later = self._clock.next_open_day(slot_day + 5 + int(rnd() * 10))
        fields = {"visit_id": visit, "event": "moved", **common, **self._slot(later, department)}
        events.append((VISIT_STREAM, visit, at, fields))
        return later

    def _stay(
        self,
        visit: str,
        person: Person,
        department: Department,
        arrival: int,
        fields: Fields,
        wait_factor: float,
        due: int = 0,
    ) -> list[Event]:
        """Arrival, wait, consultation; one in forty leaves without being seen."""
        rnd = self._random.random
        head: Fields = {"visit_id": visit, "event": "arrived", **self._identity(person, arrival // DAY)}
        brief: Fields = {"department_code": department.code, "visit_type": fields["visit_type"]}
        events: list[Event] = [(VISIT_STREAM, visit, arrival, {**head, **fields, **brief})]
        if rnd() < 0.025:
            return events
        crowd = 1.4 - abs(arrival % DAY - 39_600) / 36_000
        started = max(arrival, due) + 60 + int(60 * self._waits(rnd()) * wait_factor * max(0.4, crowd))
        ended = started + 60 + int(60 * department.slot_minutes * self._lengths(rnd()))
        for event, at in (("consultation_started", started), ("consultation_ended", ended)):
            events.append((VISIT_STREAM, visit, at, {"visit_id": visit, "event": event, **brief}))
        service = "hospital-emergency" if department.kind == "emergency" else "hospital-outpatient"
        hours = (started - arrival) / 3600
        self._ledger.close(ended // DAY, ClosedCase(service, self._desk, None, person, hours / 2, True))
        return events

    def _patient(self, day: int) -> Person:
        """Mostly from nearby; people who have just moved come too, to be registered anew."""
        rnd, ledger = self._random.random, self._ledger
        if ledger.newcomers and rnd() < 0.05:
            return ledger.newcomers[int(rnd() * len(ledger.newcomers))]
        person = self._population.anybody(self._random)
        if rnd() < 0.5 and ledger.gewog_of(person) not in self._near:
            person = self._population.anybody(self._random)
        return person

    def _identity(self, person: Person, day: int) -> Fields:
        """A number, or name, birth date and phone, or both, as the desk got hold of them.

        Who comes without the number, or has it mistyped, is asked for all the rest; one of those in two has a number
        of the hospital too.
        """
        fields: Fields = {"sex": person.sex, "age_years": (age := person.age_years(day))}
        u, is_in_doubt = self._random.random(), False
        if u < 1 - _WITHOUT_NUMBER:
            is_in_doubt = u >= 1 - _WITHOUT_NUMBER - _MISTYPED
            fields["cid"] = mistyped(person.cid, self._random) if is_in_doubt else person.cid
        if u > 0.5 or age < 15:
            is_spelt_otherwise = u > 1 - _WITHOUT_NUMBER / 3
            fields["patient_name"] = person.full_name.replace("h", "", 1) if is_spelt_otherwise else person.full_name
            fields["birth_date"] = person.birth_date
            fields["phone"] = person.phone
        if u < 0.3 or (u > 0.9 and not is_in_doubt and int(u * 1e6) % 2):
            fields["hospital_number"] = person.hospital_number
        return fields


def mistyped(cid: str, random: Random) -> str:
    """One digit taken for another, or two neighbours exchanged: eight to one, as Verhoeff (1969) counted errors."""
    place = int(random.random() * len(cid))
    first, second = cid[place], cid[place + 1 : place + 2]
    if second not in ("", first) and random.random() < 1 / 9:
        return f"{cid[:place]}{second}{first}{cid[place + 2 :]}"
    other = str((int(first) + 1 + int(random.random() * 9)) % 10)
    return f"{cid[:place]}{other}{cid[place + 1 :]}"
