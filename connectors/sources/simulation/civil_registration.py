"""Identity card applications and their steps, from the desk to the hand-over.

Working durations are lognormal around shares of the service's standard, slower or faster by office.
"""

from random import Random

from connectors.sources.simulation.chance import lognormal, weighted
from connectors.sources.simulation.clock import DAY, OFFICE_DAY, Clock
from connectors.sources.simulation.ledger import ClosedCase, Ledger
from connectors.sources.simulation.population import Person, Population
from connectors.sources.simulation.record import Event, Fields
from connectors.sources.simulation.reference import Office, Reference

CID_STREAM = "dcrc__cid_issuance"

_TYPES = weighted({"first": 30, "renewal": 34, "lost": 18, "damaged": 10, "correction": 8})
_CHANNELS = weighted({"office": 52, "online": 18, "community_centre": 24, "mobile_team": 6})
_FEES = {"first": 0, "renewal": 100, "lost": 500, "damaged": 250, "correction": 150}
_PATH = (
    ("documents_verified", 0.15, "clerk"),
    ("biometrics_taken", 0.15, "clerk"),
    ("approved", 0.3, "supervisor"),
    ("printed", 0.2, "system"),
    ("handed_over", 0.2, "clerk"),
)
_REASONS = {
    "returned_for_correction": ("Photograph not accepted", "Name differs from census"),
    "rejected": ("Not registered in the census", "Another application is open"),
    "withdrawn": ("Old card was found", "Applicant asked to stop"),
}


class OfficeDesks:
    """Which office serves a dzongkhag by which channel, and how slow it is (1 is the standard)."""

    def __init__(self, reference: Reference, random: Random):
        self._dzongkhag_of = reference.dzongkhag_of
        offices = reference.offices_of("dcrc") or reference.offices
        self._any = offices[0]
        self._by_place: dict[str, list[Office]] = {}
        for office in offices:
            if office.kind != "headquarters":
                self._by_place.setdefault(office.dzongkhag_code, []).append(office)
        self.slowness = {office.code: 0.6 + 0.8 * random.random() ** 1.5 for office in offices}

    def office(self, gewog_code: str, channel: str, uniform: float) -> str:
        """The community centre for that channel, otherwise one of the place's other offices."""
        at_centre = channel == "community_centre"
        near = self._by_place.get(self._dzongkhag_of[gewog_code], [self._any])
        fitting = [o for o in near if (o.kind == "community_centre") == at_centre] or near
        return fitting[int(uniform * len(fitting))].code


class CardApplications:
    """Opens identity card applications; finished ones go to the ledger for feedback."""

    def __init__(self, clock: Clock, reference: Reference, population: Population, ledger: Ledger, seed: str, run: str):
        self._random = Random(f"{seed}/cid")
        self._clock, self._population, self._ledger, self._run = clock, population, ledger, run
        self._desks = OfficeDesks(reference, Random(f"{seed}/offices"))
        standards = {s.code.removeprefix("cid-"): s.standard_working_days for s in reference.services}
        self._standard_days = {kind: standards.get(kind, 6.0) for kind in _FEES}
        self._spread = lognormal(0.75, 0.55)
        self._count = 0

    def weight(self, day: int) -> float:
        return 1.0 if self._clock.is_open(day) else 0.05

    def case(self, day: int) -> list[Event]:
        rnd = self._random.random
        kind, channel = _TYPES(rnd()), _CHANNELS(rnd())
        channel = channel if self._clock.is_open(day) else "online"
        person = self._applicant(kind, day)
        self._count += 1
        application = f"CID-{self._run}-{self._count:06d}"
        identity = self._identity(person, kind, day)
        office = self._desks.office(identity["permanent_gewog_code"], channel, rnd())
        common: Fields = {"application_id": application, "application_type": kind, "office_code": office}
        at = self._clock.lodged_at(day, channel == "online", rnd())
        submitted: Fields = {"step": "submitted", **common, **identity, "channel": channel}
        submitted["fee_btn"] = _FEES[kind]
        submitted["actor_role"] = "citizen" if channel == "online" else "clerk"
        if channel == "mobile_team":
            submitted["event_time"] = self._clock.day_text[day]
        events: list[Event] = [(CID_STREAM, application, at, submitted)]
        self._steps(events, common, person, self._clock.working_second(at))
        return events

    def _steps(self, events: list[Event], common: Fields, person: Person, begun: int) -> None:
        rnd, clock = self._random.random, self._clock
        kind, application = common["application_type"], common["application_id"]
        standard = self._standard_days[kind] * OFFICE_DAY * self._desks.slowness[common["office_code"]]
        path, end, stuck_before = self._course()
        second = begun + 60.0
        for position, (step, share, role) in enumerate(path):
            if position == stuck_before:
                return
            second += standard * share * self._spread(rnd())
            fields: Fields = {"step": step, **common, "actor_role": role}
            if step in _REASONS:
                fields["reason"] = _REASONS[step][int(rnd() * len(_REASONS[step]))]
            elif step == "approved" or (step == "handed_over" and kind != "first"):
                fields["cid"] = person.cid
            events.append((CID_STREAM, application, clock.at_office(second), fields))
        days, is_granted = (second - begun) / OFFICE_DAY, end == "handed_over"
        closed = ClosedCase(f"cid-{kind}", common["office_code"], application, person, days, is_granted)
        self._ledger.close(events[-1][2] // DAY, closed)

    def _course(self) -> tuple[tuple[tuple[str, float, str], ...], str, int]:
        """The steps, how the case ends, and the position where it gets stuck (-1: nowhere)."""
        u = self._random.random()
        if u < 0.03:
            return _PATH, "stuck", 1 + int(u / 0.03 * 4)
        if u < 0.055:
            return (*_PATH[:2], ("rejected", 0.3, "supervisor")), "rejected", -1
        if u < 0.075:
            return (*_PATH[:1], ("withdrawn", 0.3, "citizen")), "withdrawn", -1
        if u < 0.135:
            again = ("documents_verified", 0.6, "clerk")
            return (("returned_for_correction", 0.15, "clerk"), again, *_PATH[1:]), "handed_over", -1
        return _PATH, "handed_over", -1

    def _applicant(self, kind: str, day: int) -> Person:
        if kind != "first":
            return self._population.adult(self._random, day)
        for _ in range(20):
            person = self._population.anybody(self._random)
            if 15 <= person.age_years(day) <= 22:
                return person
        return person

    def _identity(self, person: Person, kind: str, day: int) -> Fields:
        is_minor = person.age_years(day) < 18
        return {
            "cid": None if kind == "first" else person.cid,
            "given_name": person.given_name,
            "family_name": person.family_name,
            "birth_date": person.birth_date,
            "sex": person.sex,
            "birth_year": int(person.birth_date[:4]),
            "guardian_cid": self._population.guardian(person).cid if is_minor else None,
            "permanent_gewog_code": self._ledger.gewog_of(person),
            "village": person.village,
        }
