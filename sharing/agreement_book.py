"""The agreements as their files are now, read again when one has changed."""

from collections.abc import Mapping
from pathlib import Path

from datacentre.contracts import Contract
from sharing.agreements import load_agreements
from sharing.agreements.model import Agreement

Mark = tuple[tuple[str, int, int], ...]


class AgreementBook:
    """Asked for every request, so that an agreement that was changed or taken away counts at once."""

    def __init__(self, schemas: Path, dbt_project: Path, contracts: Mapping[str, Contract]):
        self._schemas, self._dbt_project, self._contracts = schemas, dbt_project, contracts
        self._seen: Mark | None = None
        self._agreements: Mapping[str, Agreement] = {}

    def current(self) -> Mapping[str, Agreement]:
        """By consumer; raises ContractError as long as a file can't be used: then nobody is given anything."""
        mark = self._mark()
        if mark != self._seen:
            self._agreements = load_agreements(self._schemas, self._contracts, self._dbt_project)
            self._seen = mark
        return self._agreements

    def _mark(self) -> Mark:
        files = sorted((self._schemas / "agreements").glob("*.yaml"))
        stats = ((file.name, file.stat()) for file in files)
        return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
