"""Read a mapping and say where it is wrong."""

from collections.abc import Mapping as Contracts
from pathlib import Path

from pydantic import ValidationError

from connectors.sources.file_source.field_plan import Misfit
from connectors.sources.file_source.mapping import Mapping, MappingDocument
from connectors.sources.file_source.row_plan import mapped_plan
from datacentre.contracts.model import Contract
from datacentre.errors import ContractError
from datacentre.located_yaml import LocatedYaml, Where, read_located


def mapping_path(folder: Path, name: str) -> Path:
    """The mapping that is called `name` in the folder of mappings, or else the file of that path."""
    named = folder / f"{name}.yaml"
    return named if named.exists() else Path(name)


def read_mapping(file: Path, contracts: Contracts[str, Contract]) -> Mapping:
    """The mapping in `file`, checked against the contract of its stream.

    Raises ContractError naming file, line, field and what is wrong.
    """
    located = read_located(file)
    try:
        document = MappingDocument.model_validate(located.value)
    except ValidationError as problem:
        raise _located_error(located, problem) from None
    if document.stream not in contracts:
        raise located.error(("stream",), f"no contract {document.stream!r}")
    try:
        mapped_plan(document, contracts[document.stream])
    except Misfit as misfit:
        raise located.error(misfit.where, misfit.message) from None
    return Mapping(document, located)


def check_columns(mapping: Mapping, columns: tuple[str, ...], origin: Path | str) -> None:
    """Raise ContractError, at the mapping's line, for a column that the file or table doesn't have."""
    missing = [name for name in mapping.columns if name not in columns]
    if missing:
        raise mapping.located.error(
            _place(mapping.document, missing[0]),
            f"{origin} has no column {missing[0]!r}; it has {', '.join(columns[:30])}"
            + (" …" if len(columns) > 30 else ""),
        )


def _place(document: MappingDocument, column: str) -> Where:
    for position, event in enumerate(document.events):
        if column in event.event_time.columns:
            return ("events", position, "event_time")
        for name, spec in event.fields.items():
            if column in spec.columns:
                return ("events", position, "fields", name)
    return ("events",)


def _located_error(located: LocatedYaml, problem: ValidationError) -> ContractError:
    first = problem.errors(include_url=False)[0]
    where = first["loc"]
    # Pydantic's path ends in its own words for the kinds of value it tried; a missing key is our word.
    known = next(where[:n] for n in range(len(where), -1, -1) if where[:n] in located.lines)
    where = where if first["type"] == "missing" else known
    hint = " (quote it)" if first["type"] == "string_type" else ""
    return located.error(where, first["msg"].removeprefix("Value error, ") + hint)
