"""Who read of a person: who looked her up, and who was given rows that name her. Pseudonymous throughout."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from datacentre.contracts import Contract, load_contracts
from datacentre.errors import AccessDenied
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings
from lake.tables import has_tables
from sharing.access_log.entry import Entry, Read
from sharing.access_log.verification import entries, verify
from sharing.agreements import load_agreements
from sharing.agreements.model import Agreement
from sharing.lookup import Lookup
from sharing.person_places import Offsets, offsets_of, rows_of
from sharing.persons import Persons
from sharing.pseudonyms import load_scope
from sharing.releases.release import Release, kept_releases, read_release, releases_of

_ROWS = re.compile(r"rows (\d+)\.\.(\d+)")
_OFFSETS = re.compile(r"c\d+ p(\d+) (\d+)\.\.(\d+)")
PersonTokens = Callable[[Release], Collection[str]]
"""The tokens under which a release's consumer sees the person; an older release has those of an older key."""


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

    def of(self, person_keys: Collection[str], tokens: PersonTokens) -> Iterator[Reading]:
        """Every reading of a person, oldest first; who was linked has several pseudonyms.

        Raises CheckFailed where the log can't be read.
        """

        @cache
        def rows(consumer: str, release: str, mart: str) -> list[int] | None:
            return self._rows(consumer, release, mart, tokens)

        @cache
        def offsets(consumer: str, stream: str) -> Offsets:
            return self._offsets(consumer, stream, person_keys)

        for entry in entries(self.home):
            read = entry.read
            if read.person_key in person_keys:
                yield _reading(entry)
            elif read.denied:
                continue
            elif read.action == "rows":
                numbers = rows(read.consumer, read.version, read.dataset)
                if numbers is None or _holds_row(read, numbers):
                    yield _reading(entry, is_certain=numbers is not None)
            elif read.action == "extract" and _holds_offset(read, offsets(read.consumer, read.dataset)):
                yield _reading(entry)

    def _rows(self, consumer: str, folder: str, mart: str, tokens: PersonTokens) -> list[int] | None:
        """None where the release isn't kept any more."""
        place = releases_of(self.home, consumer) / folder
        try:
            release = read_release(place, consumer)
            return rows_of(release.file(mart), tokens(release))
        except (FileNotFoundError, AccessDenied):
            return None

    def _offsets(self, consumer: str, stream: str, person_keys: Collection[str]) -> Offsets:
        agreement, contract = self.agreements.get(consumer), self.contracts.get(stream)
        if contract is None:
            return Offsets({})
        grant = agreement.streams.get(stream) if agreement else None
        return offsets_of(self.lake, contract, person_keys, grant.row_filter if grant else None)


def readings_of(settings: Settings, cid: str) -> list[Reading]:
    """Of a person by number, oldest first. Raises NotANumber, and what `readings_of_person` raises."""
    key, contracts = load_or_create(settings.home, has_tables(settings.lake)), load_contracts(settings.schemas)
    lookup = Lookup.over(Persons(settings.home), key, contracts.values())
    return readings_of_person(settings, lookup.person_key(cid))


def readings_of_person(settings: Settings, person_key: str) -> list[Reading]:
    """The same by pseudonym. Raises CheckFailed where the log isn't what was written: nobody should rely on it then."""
    contracts = load_contracts(settings.schemas)
    agreements = load_agreements(settings.schemas, contracts, settings.dbt_project)
    person_keys = _all_keys(settings, person_key)
    verify(settings.home)
    traces = Traces(settings.home, settings.lake, contracts, agreements)
    return list(traces.of(person_keys, _tokens(settings.home, person_keys)))


@dataclass(frozen=True)
class Held:
    """A mart of a kept release in which `rows` name the person."""

    consumer: str
    release: int
    mart: str
    rows: int


def releases_holding(settings: Settings, person_key: str) -> list[Held]:
    """By consumer and release, oldest first."""
    tokens = _tokens(settings.home, _all_keys(settings, person_key))
    consumers = sorted(folder.name for folder in (settings.home / "releases").glob("*") if folder.is_dir())
    found = [
        Held(consumer, release.number, mart, len(rows_of(release.file(mart), tokens(release))))
        for consumer in consumers
        for release in kept_releases(settings.home, consumer)
        for mart in release.marts
    ]
    return [held for held in found if held.rows]


def _all_keys(settings: Settings, person_key: str) -> set[str]:
    """The pseudonym, and the one that is left where it was merged."""
    persons = Persons(settings.home)
    person_keys = {person_key, persons.remaining_key(person_key)}
    persons.close()
    return person_keys


def _tokens(home: Path, person_keys: Collection[str]) -> PersonTokens:
    def tokens(release: Release) -> Collection[str]:
        scope = load_scope(home, release.manifest["pseudonym_scope"])
        key_then = scope.under(release.manifest["key_id"])
        return {key_then.token("person", known) for known in person_keys}

    return tokens


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
