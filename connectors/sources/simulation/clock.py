"""The simulated period: local days and seconds, office days, and their text.

A local second counts from 1970-01-01T00:00 on the country's own clock; a local day is a local second
divided by 86,400. The zone's offset is taken once, at the period's end (no daylight saving).
"""

from collections.abc import Container
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

DAY = 86_400
OFFICE_OPENS = 9 * 3600
OFFICE_DAY = 8 * 3600
_EPOCH = date(1970, 1, 1).toordinal()
_DAYS_AHEAD = 500
_CLOCK = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(DAY)]


class _DayTexts(dict[int, str]):
    def __missing__(self, day: int) -> str:
        text = self[day] = date_of(day).isoformat()
        return text


def date_of(day: int) -> date:
    return date.fromordinal(day + _EPOCH)


def day_of(value: date) -> int:
    return value.toordinal() - _EPOCH


class Clock:
    """A period of `days` that ends at `until` (with a zone) and begins at a local midnight."""

    def __init__(self, until: datetime, days: int, time_zone: str, holidays: Container[date] = ()):
        offset = until.astimezone(ZoneInfo(time_zone)).utcoffset() or timedelta()
        self._offset = int(offset.total_seconds())
        minutes = abs(self._offset) // 60
        self._zone = f"{'-' if self._offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
        self.until = int(until.timestamp()) + self._offset
        self.last_day = self.until // DAY
        self.first_day = self.last_day - days
        every_day = range(self.first_day, self.last_day + _DAYS_AHEAD)
        self._open = [d for d in every_day if date_of(d).weekday() < 5 and date_of(d) not in holidays]
        self._is_open = frozenset(self._open)
        self._position: list[int] = []
        for day in every_day:
            before = self._position[-1] + (day - 1 in self._is_open) if self._position else 0
            self._position.append(before)
        self.day_text = _DayTexts()

    def is_open(self, day: int) -> bool:
        """Whether offices work on this day: Monday to Friday, no holiday."""
        return day in self._is_open

    def next_open_day(self, day: int) -> int:
        return self._open[self._position[day - self.first_day]]

    def lodged_at(self, day: int, is_online: bool, uniform: float) -> int:
        """When a citizen lodges a paper on that day: at a desk, or online in the evening."""
        opens, seconds = (61_200, 18_000) if is_online else (OFFICE_OPENS, OFFICE_DAY - 3600)
        return day * DAY + opens + int(uniform * seconds)

    def working_second(self, second: int) -> int:
        """Seconds of office time from the period's begin to a local second, which may be after hours."""
        day, rest = divmod(second, DAY)
        since_opening = max(0, rest - OFFICE_OPENS) if self.is_open(day) else 0
        return self._position[day - self.first_day] * OFFICE_DAY + min(since_opening, OFFICE_DAY)

    def at_office(self, working_second: float) -> int:
        """The local second at which so much office time has passed since the period's begin."""
        position, rest = divmod(int(working_second), OFFICE_DAY)
        if position >= len(self._open):
            return (self._open[-1] + position) * DAY
        return self._open[position] * DAY + OFFICE_OPENS + rest

    def text(self, second: int) -> str:
        """RFC 3339 on the local clock."""
        return f"{self.day_text[second // DAY]}T{_CLOCK[second % DAY]}{self._zone}"

    def utc_text(self, second: int) -> str:
        """RFC 3339 in UTC, as systems bought abroad write it."""
        utc = second - self._offset
        return f"{self.day_text[utc // DAY]}T{_CLOCK[utc % DAY]}Z"
