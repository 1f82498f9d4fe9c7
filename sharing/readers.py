"""Who read of a person: who looked her up, and who was given rows that name her. Pseudonymous throughout."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from datacentre.contracts import Contract
from sharing.access_log.entry import Entry, Read
from sharing.access_log.verification import entries
from sharing.agreements.model import Agreement
from sharing.person_places import Offsets, offsets_of, rows_of
from sharing.releases.release import Release, read_release, releases_of

_ROWS = re.compile(r"rows (\d+)\.\.(\d+)")
_OFFSETS = re.compile(r"c\d+ p(\d+) (\d+)\.\.(\d+)")
PersonToken = Callable[[Release], str]
"""The token under which a release's consumer sees the person; an older release has one of an older key."""


@dataclass(frozen=True)
class Reading:
    """`fields` are those that were given; none were where it was `refused`. Whether she was in it isn't `certain`
    where the release isn't kept any more, so that nobody can look."""

    at: datetime
    consumer: str
    purpose: str
    action: str
    dataset: str
    fields: tuple[str, ...]
    is_refused: bool
    is_certain: bool = True


@dataclass(frozen=True)
class Traces:
    """What the log's entries are compared with."""

    home: Path
    lake: Path
    contracts: Mapping[str, Contract]
    agreements: Mapping[str, Agreement]

    def of(self, person_key: str, token: PersonToken) -> Iterator[Reading]:
        """Every reading, oldest first. Raises CheckFailed where the log can't be read."""

        @cache
        def rows(consumer: str, release: str, mart: str) -> list[int] | None:
            return self._rows(consumer, release, mart, token)

        @cache
        def offsets(consumer: str, stream: str) -> Offsets:
            return self._offsets(consumer, stream, person_key)

        for entry in entries(self.home):
            read = entry.read
            if read.person_key == person_key:
                yield _reading(entry)
            elif read.denied:
                continue
            elif read.action == "rows":
                numbers = rows(read.consumer, read.version, read.dataset)
                if numbers is None or _holds_row(read, numbers):
                    yield _reading(entry, is_certain=numbers is not None)
            elif read.action == "extract" and _holds_offset(read, offsets(read.consumer, read.dataset)):
                yield _reading(entry)

    def _rows(self, consumer: str, folder: str, mart: str, token: PersonToken) -> list[int] | None:
        """None where the release isn't kept any more."""
        place = releases_of(self.home, consumer) / folder
        try:
            release = read_release(place, consumer)
            return rows_of(release.file(mart), token(release))
        except FileNotFoundError:
            return None

    def _offsets(self, consumer: str, stream: str, person_key: str) -> Offsets:
        agreement, contract = self.agreements.get(consumer), self.contracts.get(stream)
        if contract is None:
            return Offsets({})
        grant = agreement.streams.get(stream) if agreement else None
        return offsets_of(self.lake, contract, person_key, grant.row_filter if grant else None)


def _reading(entry: Entry, is_certain: bool = True) -> Reading:
    read = entry.read
    return Reading(
        entry.at, read.consumer, read.purpose, read.action, read.dataset, read.fields, bool(read.denied), is_certain
    )


def _holds_row(read: Read, numbers: list[int]) -> bool:
    found = _ROWS.fullmatch(read.part)
    return found is not None and any(int(found[1]) <= number < int(found[2]) for number in numbers)


def _holds_offset(read: Read, offsets: Offsets) -> bool:
    ranges = (tuple(map(int, found.groups())) for found in _OFFSETS.finditer(read.part))
    return any(offsets.any_in(*place) for place in ranges)
