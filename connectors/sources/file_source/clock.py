"""Dates and times as agencies write them, to `YYYY-MM-DD` and RFC 3339 in UTC."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*")
_MIDNIGHT = time()
# The directives of strptime that are plain numbers: a regular expression reads them three times faster.
_NUMBERS = {
    "Y": r"(?P<year>[0-9]{4})",
    "m": r"(?P<month>[0-9]{1,2})",
    "d": r"(?P<day>[0-9]{1,2})",
    "H": r"(?P<hour>[0-9]{1,2})",
    "M": r"(?P<minute>[0-9]{1,2})",
    "S": r"(?P<second>[0-9]{1,2})",
}

Read = Callable[[str], str]


def day_reader(pattern: str | None) -> Read:
    """Text to `YYYY-MM-DD`, by a strptime pattern or, without one, strictly ISO 8601."""
    parse = _parser(pattern) if pattern else None

    @lru_cache(maxsize=4096)
    def read(text: str) -> str:
        if parse is not None:
            return parse(text).date().isoformat()
        if not _DAY.fullmatch(text):
            raise ValueError("not a date YYYY-MM-DD")
        return date.fromisoformat(text).isoformat()

    return read


def moment_reader(pattern: str | None, zone: str | None, midnight_zone: str | None) -> Read:
    """Text to an RFC 3339 instant in UTC, or to the local date where the clock says only that.

    `zone` belongs to a clock that carries none; without it such a text is refused. In the first hour of
    the change from summer time, which comes twice, the earlier instant is taken.
    """
    parse = _parser(pattern) if pattern else _iso_moment
    own_zone = known_zone(zone) if zone else None
    day_zone = known_zone(midnight_zone) if midnight_zone else None

    def read(text: str) -> str:
        moment = parse(text)
        if moment.tzinfo is None:
            if own_zone is None:
                raise ValueError("carries no zone, and the mapping names none")
            moment = moment.replace(tzinfo=own_zone)
        if day_zone is not None:
            local = moment.astimezone(day_zone)
            if local.time() == _MIDNIGHT:
                return local.date().isoformat()
        return moment.astimezone(UTC).isoformat()[:-6] + "Z"

    return read


def moment_or_day_reader() -> Read:
    """ISO 8601 text with a zone to an instant in UTC; a date alone stays a date."""
    day, moment = day_reader(None), moment_reader(None, None, None)
    return lambda text: day(text) if len(text) == len("2024-01-31") else moment(text)


def known_zone(name: str) -> ZoneInfo:
    """The IANA zone; raises ValueError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown time zone {name!r}") from None


def _iso_moment(text: str) -> datetime:
    if not _MOMENT.fullmatch(text):
        raise ValueError("not a timestamp YYYY-MM-DDThh:mm:ss")
    return datetime.fromisoformat(text)


def _parser(pattern: str) -> Callable[[str], datetime]:
    pieces = re.split(r"%(.)", pattern)
    directives = pieces[1::2]
    if not {"Y", "m", "d"} <= set(directives) <= set(_NUMBERS) or len(set(directives)) < len(directives):
        return lambda text: datetime.strptime(text, pattern)
    expression = re.compile("".join(_NUMBERS[p] if n % 2 else re.escape(p) for n, p in enumerate(pieces)))

    def parse(text: str) -> datetime:
        match = expression.fullmatch(text)
        if match is None:
            raise ValueError(f"isn't written {pattern}")
        return datetime(**{part: int(number) for part, number in match.groupdict().items()})  # type: ignore[arg-type]

    return parse
