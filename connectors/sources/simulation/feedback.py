"""Citizens' feedback on a service: mostly on a case that was closed a little earlier."""

from random import Random

from connectors.sources.simulation.chance import stars, weighted
from connectors.sources.simulation.clock import DAY, Clock
from connectors.sources.simulation.ledger import ClosedCase, Ledger
from connectors.sources.simulation.population import Population
from connectors.sources.simulation.record import Event, Fields
from connectors.sources.simulation.reference import Reference

FEEDBACK_STREAM = "rcsc__service_feedback"

_CHANNELS = weighted({"sms": 34, "qr_code": 28, "web": 18, "tablet": 14, "call_centre": 6})
_LINKED_SHARE = 0.8
_PLEASED = (
    "Quick and friendly.",
    "ལས་རོགས་ལེགས་ཤོམ་བྱིན་ཅི། བཀྲིན་ཆེ།",
    "The clerk explained every step, thank you.",
    "Better than last year.",
)
_DISPLEASED = (
    "Had to come three times for one signature.",
    "Nobody picks up the phone. Please call me on 17{digits}.",
    "The system was down the whole morning.",
    "My application {case} is still not done.",
    "Why must I submit the same papers again?",
)


class ServiceFeedback:
    """Opens feedback in waking hours; slower cases are rated lower, refused ones lower still."""

    def __init__(self, clock: Clock, reference: Reference, population: Population, ledger: Ledger, seed: str, run: str):
        self._random = Random(f"{seed}/feedback")
        self._clock, self._population, self._ledger, self._run = clock, population, ledger, run
        self._services = reference.services
        self._standard_days = {s.code: max(0.25, s.standard_working_days) for s in reference.services}
        self._offices = {s.agency: reference.offices_of(s.agency) for s in self._services}
        self._count = 0

    def weight(self, day: int) -> float:
        return 1.0 if self._clock.is_open(day) else 0.45

    def case(self, day: int) -> list[Event]:
        rnd = self._random.random
        self._count += 1
        feedback = f"F-{self._run}-{self._count:06d}"
        closed = self._closed_case(day)
        at = day * DAY + 28_800 + int(50_000 * (rnd() + rnd()) / 2)
        slowness = closed.working_days / self._standard_days.get(closed.service_code, 5.0)
        mood = 4.6 - 1.3 * min(2.2, slowness) + 1.2 * (rnd() - 0.5) - (0 if closed.is_granted else 1.2)
        rating = stars(mood + 0.3)
        fields: Fields = {"feedback_id": feedback, "service_code": closed.service_code}
        fields["office_code"], fields["application_id"] = closed.office_code, closed.application_id
        fields["channel"] = _CHANNELS(rnd())
        if rnd() < 0.6:
            fields["cid"] = closed.person.cid
        fields["rating"] = rating
        for name in ("speed_rating", "courtesy_rating", "clarity_rating"):
            if rnd() < 0.8:
                fields[name] = stars(mood + 2 * (rnd() - 0.4))
        if closed.application_id is None:
            fields["wait_minutes"] = min(1440, int(closed.working_days * 120))
        fields["visits_needed"] = 1 + int(rnd() * rnd() * (2 + 2 * min(3.0, slowness)))
        fields["is_resolved"] = closed.is_granted and rnd() < 0.95
        if rnd() < 0.3:
            fields["comment"] = self._comment(rating, closed)
        return [(FEEDBACK_STREAM, feedback, at, fields)]

    def _closed_case(self, day: int) -> ClosedCase:
        """A recently closed case; otherwise some service that leaves no case here."""
        rnd, closed = self._random.random, self._ledger.closed
        if closed and rnd() < _LINKED_SHARE:
            return closed[int(rnd() * len(closed))]
        service = self._services[int(rnd() * len(self._services))]
        offices = self._offices[service.agency]
        office = offices[int(rnd() * len(offices))].code if offices else None
        person = self._population.adult(self._random, day)
        days = max(0.25, service.standard_working_days) * (0.4 + 1.2 * rnd())
        return ClosedCase(service.code, office, None, person, days, rnd() < 0.93)

    def _comment(self, rating: int, closed: ClosedCase) -> str:
        rnd = self._random.random
        texts = _PLEASED if rating >= 4 else _DISPLEASED
        text = texts[int(rnd() * len(texts))]
        application = closed.application_id or "for a copy"
        return text.replace("{digits}", closed.person.phone[-6:]).replace("{case}", application)
