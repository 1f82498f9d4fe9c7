"""Golden records for one process: the store is kept open, and opened anew where another file took its place."""

from contextlib import ExitStack
from pathlib import Path

from datacentre.errors import SourceUnavailable
from registry.golden.person import Person
from registry.golden.store import GoldenStore, golden_file, reading


class Persons:
    """For one thread at a time."""

    def __init__(self, home: Path):
        self._home = home
        self._held = ExitStack()
        self._store: GoldenStore | None = None
        self._seen: tuple[int, int] | None = None

    def find(self, person_key: str) -> Person | None:
        """None where the registry knows nobody by this pseudonym; raises SourceUnavailable where there is no registry
        yet."""
        return self._current().find(person_key)

    def remaining_key(self, person_key: str) -> str:
        """The pseudonym that marts show for a person whose records were linked; her own where nothing is known."""
        try:
            found = self.find(person_key)
        except SourceUnavailable:
            return person_key
        return found.person_key if found else person_key

    def close(self) -> None:
        self._held.close()
        self._store, self._seen = None, None

    def _current(self) -> GoldenStore:
        try:
            stat = golden_file(self._home).stat()
        except FileNotFoundError:
            raise SourceUnavailable("the registry isn't built yet; run `datacentre build`") from None
        if self._store is None or self._seen != (stat.st_dev, stat.st_ino):
            self.close()
            self._store = self._held.enter_context(reading(self._home))
            self._seen = (stat.st_dev, stat.st_ino)
        return self._store
