"""Departing flights counted by nationality and purpose, and the exit survey of their passengers.

A respondent is a passenger of a counted flight: flight number, nationality group and purpose agree with
the frame. Groups answer with different readiness, so unweighted answers are biased, as real ones are.
"""

from bisect import bisect_right
from itertools import accumulate
from random import Random

from connectors.sources.simulation.chance import lognormal, stars, weighted
from connectors.sources.simulation.clock import DAY, Clock, date_of
from connectors.sources.simulation.record import Event, Fields
from connectors.sources.simulation.reference import Reference

DEPARTURES_STREAM = "dot__departures"
SURVEY_STREAM = "dot__exit_survey"

_SEASON = (0.45, 0.6, 1.3, 1.6, 1.4, 0.8, 0.6, 0.7, 1.3, 1.8, 1.5, 0.8)
_FLIGHTS = (
    ("KB", "KB204", "DEL", 27_000),
    ("KB", "KB400", "KTM", 28_800),
    ("KB", "KB150", "BKK", 34_200),
    ("B3", "B3700", "BKK", 37_800),
    ("KB", "KB500", "SIN", 41_400),
    ("B3", "B3774", "CCU", 45_000),
    ("KB", "KB300", "DAC", 47_700),
    ("B3", "B3771", "DEL", 52_200),
)
_NATIONALITIES = {
    "india": (60, 0.5, 3.2, "en hi"),
    "bangladesh": (6, 0.6, 3.1, "en bn"),
    "maldives": (1, 0.7, 3.5, "en"),
    "south_asia_other": (3, 0.7, 3.6, "en ne"),
    "east_asia": (8, 0.8, 4.0, "zh ja en"),
    "south_east_asia": (8, 1.0, 4.1, "en th"),
    "europe": (7, 1.4, 4.3, "en de fr"),
    "north_america": (5, 1.5, 4.4, "en"),
    "oceania": (2, 1.5, 4.3, "en"),
}
_OTHER_NATIONALITY = (0.7, 1.0, 4.0, "en")
_PURPOSES = weighted({"leisure": 66, "pilgrimage": 9, "business": 9, "visiting_family": 7, "conference": 5, "other": 4})
_CHANNELS = weighted({"airport_tablet": 40, "interviewer": 18, "qr_code": 26, "web": 10, "email": 6})
_VARIANTS = weighted({"control": 0.55, "thank-you": 0.7, "one-minute": 0.85})
"""Wordings shown at random, in proportion to how often each is answered."""
_SPEND = {"accommodation": 310, "transport": 120, "food": 90, "shopping": 70, "other": 30}
_RATINGS = (
    "overall_rating",
    "accommodation_rating",
    "guide_rating",
    "transport_rating",
    "airport_rating",
    "value_rating",
)
_COMMENTS = (
    "Wonderful people, the guide was excellent.",
    "Immigration queue was long, otherwise perfect.",
    "Roads to the east need work.",
    "Too expensive for what we saw.",
    "ལེགས་ཤོམ་འདུག",
    "Card payment failed twice; please write to me at visitor@example.org.",
    "Très belle expérience, merci !",
)


class Departures:
    """Opens flights; a flight leaves its counts at take-off and its answers before and after."""

    def __init__(self, clock: Clock, reference: Reference, seed: str, run: str, answers_per_count: float):
        self._random = Random(f"{seed}/tourism")
        self._clock, self._run, self._answers_per_count = clock, run, answers_per_count
        groups = {code: _NATIONALITIES.get(code, _OTHER_NATIONALITY) for code in reference.nationality_groups}
        self._groups = groups
        self._group = weighted({code: profile[0] for code, profile in groups.items()})
        self._languages = {code: profile[3].split() for code, profile in groups.items()}
        self._dzongkhags = weighted(reference.dzongkhags)
        self._spend = [(f"spend_{name}_usd", lognormal(median, 0.8)) for name, median in _SPEND.items()]
        self._minutes, self._nights = lognormal(4.0, 0.5), lognormal(5.0, 0.55)
        self._flights = self._answers = 0
        self._owed = 0.0

    def weight(self, day: int) -> float:
        return _SEASON[date_of(day).month - 1]

    def case(self, day: int) -> list[Event]:
        rnd, clock = self._random.random, self._clock
        carrier, number, airport, minute = _FLIGHTS[int(rnd() * len(_FLIGHTS))]
        self._flights += 1
        flight = f"{number}-{clock.day_text[day]}-{self._run}-{self._flights:05d}"
        departed = day * DAY + minute + int(rnd() * 3000)
        common: Fields = {"flight_id": flight, "flight_number": number, "carrier_code": carrier}
        common["departed_at"] = common["event_time"] = clock.utc_text(departed)
        common["destination_airport"] = airport
        counts = self._counts(60 + int(rnd() * 70))
        events: list[Event] = [
            (
                DEPARTURES_STREAM,
                flight,
                departed,
                {**common, "nationality_group": group, "purpose": purpose, "passengers": passengers},
            )
            for (group, purpose), passengers in counts.items()
        ]
        self._owed += len(counts) * self._answers_per_count
        answers, self._owed = int(self._owed), self._owed % 1
        events += self._survey(number, departed, counts, answers)
        return events

    def _counts(self, passengers: int) -> dict[tuple[str, str], int]:
        """Passengers by nationality group and purpose; they travel in parties."""
        rnd, counts = self._random.random, dict[tuple[str, str], int]()
        while passengers > 0:
            party = min(passengers, 1 + int(rnd() * rnd() * 14))
            cell = (self._group(rnd()), _PURPOSES(rnd()))
            counts[cell] = counts.get(cell, 0) + party
            passengers -= party
        return counts

    def _survey(self, number: str, departed: int, counts: dict[tuple[str, str], int], answers: int) -> list[Event]:
        """At most one answer a passenger; who is asked answers with the group's readiness."""
        rnd, groups = self._random.random, self._groups
        cells = list(counts)
        left = dict(counts)
        reached = list(accumulate(n * groups[cell[0]][1] for cell, n in counts.items()))
        events: list[Event] = []
        for _ in range(min(answers, sum(counts.values()))):
            cell = cells[bisect_right(reached, rnd() * reached[-1])]
            if left[cell] == 0:
                cell = next(c for c, n in left.items() if n)
            left[cell] -= 1
            events.append(self._answer(number, departed, *cell))
        return events

    def _answer(self, number: str, departed: int, group: str, purpose: str) -> Event:
        rnd, clock = self._random.random, self._clock
        self._answers += 1
        response, channel, variant = f"R-{self._run}-{self._answers:06d}", _CHANNELS(rnd()), _VARIANTS(rnd())
        is_away = channel in ("email", "web")
        submitted = departed + int(DAY * (0.5 + 5 * rnd())) if is_away else departed - 1500 - int(rnd() * 5400)
        languages = self._languages[group]
        fields: Fields = {
            "response_id": response,
            "survey_version": "2.1",
            "language": languages[int(rnd() * len(languages))],
            "channel": channel,
            "flight_number": number,
            "nationality_group": group,
            "purpose": purpose,
            "nudge_variant": variant,
        }
        if channel == "email":
            fields["event_time"] = clock.day_text[submitted // DAY]
        else:
            fields["event_time"] = fields["submitted_at"] = clock.utc_text(submitted)
            fields["started_at"] = clock.utc_text(submitted - int(60 * self._minutes(rnd())))
        if not is_away:
            fields["gate"] = f"G{1 + int(rnd() * 4)}"
        self._add_stay(fields, purpose)
        self._add_opinion(fields, self._groups[group][2])
        return SURVEY_STREAM, response, submitted, fields

    def _add_stay(self, fields: Fields, purpose: str) -> None:
        rnd = self._random.random
        nights = 1 + min(60, int(self._nights(rnd())))
        party = 1 + int(rnd() * rnd() * 6) if purpose in ("leisure", "pilgrimage") else 1
        fields["nights"], fields["party_size"], fields["is_first_visit"] = nights, party, rnd() < 0.72
        cents = 20 * nights * party
        for name, spread in self._spend:
            if rnd() < 0.9:
                fields[name] = int(spread(rnd()) * cents) / 100
        visited = [self._dzongkhags(rnd()) for _ in range(1 + nights // 2 % 6)]
        fields["dzongkhags_visited"] = list(dict.fromkeys(visited))

    def _add_opinion(self, fields: Fields, mean: float) -> None:
        rnd = self._random.random
        mood = mean + 1.6 * (rnd() + rnd() - 1)
        for name in _RATINGS:
            if rnd() < 0.93:
                fields[name] = stars(mood + 2 * (rnd() - 0.5))
        fields["would_recommend"] = min(10, max(0, int(mood * 2 + 2 * rnd())))
        if rnd() < 0.2:
            fields["comment"] = _COMMENTS[int(rnd() * len(_COMMENTS))]
