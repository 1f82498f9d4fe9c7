"""Whether an agreement gives only what exists and may leave."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from datacentre.contracts import Contract
from datacentre.contracts.columns import landed_schema
from datacentre.errors import ContractError
from datacentre.located_yaml import LocatedYaml, Where
from registry.golden.statements import ATTRIBUTES as STATED
from sharing.agreements.document import AgreementDocument, MartGrantDocument
from sharing.agreements.row_filter import check_row_filter
from sharing.scoped_columns import stream_leaving
from sharing.shared_marts import SharedMart

ATTRIBUTES = tuple(name for name in STATED if name != "hospital_number")
"""What the registry can tell of a person; the hospital's own number is nobody else's."""

_TYPES = {
    pa.string(): "varchar",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
    pa.list_(pa.string()): "varchar[]",
}


@dataclass(frozen=True)
class _Table:
    """A mart or a stream: its columns with DuckDB's types, and those that may leave."""

    columns: Mapping[str, str]
    may_leave: Collection[str]


@dataclass(frozen=True)
class Giveable:
    """All that any agreement could give."""

    marts: Mapping[str, SharedMart]
    contracts: Mapping[str, Contract]

    def check(self, located: LocatedYaml, document: AgreementDocument) -> None:
        """Raises ContractError naming file, line, field and what is wrong."""
        for where, problem in self._problems(located, document):
            raise located.error(where, problem)

    def _problems(self, located: LocatedYaml, document: AgreementDocument) -> Iterator[tuple[Where, str]]:
        if document.consumer != located.file.stem:
            yield ("consumer",), f"must equal the file's name {located.file.stem!r}"
        if document.expires < document.valid_from:
            yield ("expires",), f"is before valid_from, {document.valid_from}"
        for name, mart_grant in document.marts.items():
            mart = self.marts.get(name)
            table = _Table(mart.columns, mart.leaving.columns) if mart else None
            yield from _grant_problems(("marts", name), mart_grant, table, document)
        for name, stream_grant in document.streams.items():
            contract = self.contracts.get(name)
            yield from _grant_problems(("streams", name), stream_grant, _stream(contract), document)
        for purpose, attributes in document.lookups.items():
            if purpose not in document.purposes:
                yield ("lookups", purpose), _unknown("purpose", purpose, document.purposes)
            yield from _repeated(("lookups", purpose), attributes)
            for number, attribute in enumerate(attributes):
                if attribute not in ATTRIBUTES:
                    yield ("lookups", purpose, number), _unknown("attribute", attribute, ATTRIBUTES)


def _stream(contract: Contract | None) -> _Table | None:
    if contract is None:
        return None
    types = {f.name: _TYPES.get(f.type, "varchar") for f in landed_schema(contract)}
    return _Table(types, stream_leaving(contract).columns)


def _grant_problems(
    where: Where, grant: MartGrantDocument, table: _Table | None, document: AgreementDocument
) -> Iterator[tuple[Where, str]]:
    if table is None:
        yield where, f"there is no {'mart' if where[0] == 'marts' else 'stream'} {where[1]!r}"
        return
    yield from _repeated((*where, "columns"), grant.columns)
    for number, purpose in enumerate(grant.purposes):
        if purpose not in document.purposes:
            yield (*where, "purposes", number), _unknown("purpose", purpose, document.purposes)
    for number, name in enumerate(grant.columns):
        if name not in table.columns:
            yield (*where, "columns", number), _unknown("column", name, table.columns)
        elif name not in table.may_leave:
            yield (*where, "columns", number), f"{name!r} never leaves the centre; may leave: {_list(table.may_leave)}"
    if grant.row_filter is not None:
        try:
            check_row_filter(grant.row_filter, table.columns)
        except ContractError as problem:
            yield (*where, "row_filter"), str(problem)


def _repeated(where: Where, names: tuple[str, ...]) -> Iterator[tuple[Where, str]]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield (*where, number), f"{name!r} stands twice"


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    return f"there is no {what} {name!r}; there are {_list(known)}"


def _list(names: Collection[str]) -> str:
    return ", ".join(names)
