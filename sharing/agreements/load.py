"""Read the agreements and say where one is wrong."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from datacentre.contracts import Contract
from datacentre.located_yaml import read_located
from datacentre.settings import REPOSITORY
from sharing.agreements.check import Giveable
from sharing.agreements.document import AgreementDocument
from sharing.agreements.model import Agreement, MartGrant, StreamGrant
from sharing.shared_marts import load_shared_marts

DBT_PROJECT = REPOSITORY / "dbt_project"


def load_agreements(
    schemas: Path, contracts: Mapping[str, Contract], dbt_project: Path = DBT_PROJECT
) -> dict[str, Agreement]:
    """All agreements under `schemas/agreements`, by consumer; read again once a file has changed.

    Also those that hold no more or not yet: `Agreement.is_valid` tells. Raises ContractError naming file, line and
    field.
    """
    giveable = Giveable(load_shared_marts(dbt_project), contracts)
    files = sorted((schemas / "agreements").glob("*.yaml"))
    agreements = (_remembered(file, file.stat().st_mtime_ns, _Key(giveable)) for file in files)
    return {agreement.consumer: agreement for agreement in agreements}


def load_agreement(file: Path, giveable: Giveable) -> Agreement:
    """One agreement, checked against marts and contracts; raises ContractError naming file, line and field."""
    located = read_located(file)
    try:
        document = AgreementDocument.model_validate(located.value)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise located.error([part for part in first["loc"] if part != "[key]"], first["msg"]) from None
    giveable.check(located, document)
    return _agreement(document)


class _Key:
    """What an agreement was checked against, comparable by what it says."""

    def __init__(self, giveable: Giveable):
        self.giveable = giveable
        hashes = tuple((key, contract.hash) for key, contract in giveable.contracts.items())
        self._said = (hashes, repr(giveable.marts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other._said == self._said

    def __hash__(self) -> int:
        return hash(self._said)


@lru_cache(maxsize=256)
def _remembered(file: Path, changed: int, key: _Key) -> Agreement:
    return load_agreement(file, key.giveable)


def _agreement(document: AgreementDocument) -> Agreement:
    marts = {name: MartGrant(**grant.model_dump()) for name, grant in document.marts.items()}
    streams = {name: StreamGrant(**grant.model_dump()) for name, grant in document.streams.items()}
    said = document.model_dump(exclude={"marts", "streams"})
    return Agreement(**said, marts=marts, streams=streams)
