"""A mapping of a database, checked against its contract before anything is read."""

from collections.abc import Mapping as Contracts
from dataclasses import replace
from pathlib import Path

from connectors.sources.file_source.clock import known_zone
from connectors.sources.file_source.field_plan import plan_field
from connectors.sources.file_source.mapping import DatabaseTable, EventMapping, FieldMapping, Mapping
from connectors.sources.file_source.mapping_file import read_mapping
from connectors.sources.file_source.row_plan import EventPlan, RowPlan
from datacentre.contracts.model import Contract
from datacentre.errors import ContractError


def read_database_mapping(file: Path, contracts: Contracts[str, Contract]) -> Mapping:
    """The mapping in `file`; raises ContractError naming file, line and what is wrong."""
    mapping = read_mapping(file, contracts)
    contract = contracts[mapping.stream]
    section = database_section(mapping)
    if section.zone is not None:
        try:
            known_zone(section.zone)
        except ValueError as problem:
            raise mapping.located.error(("database", "zone"), str(problem)) from None
    for position, event in enumerate(mapping.document.events):
        _check_key_is_no_identity(mapping, section, contract, position, event)
    _check_deletes(mapping, section, contract)
    return mapping


def database_section(mapping: Mapping) -> DatabaseTable:
    """Raises ContractError for the mapping of a file."""
    if mapping.document.database is None:
        raise mapping.located.error((), "the mapping has no database section: use datacentre send")
    return mapping.document.database


def overridden(mapping: Mapping, url_env: str | None, lag_seconds: float | None) -> Mapping:
    """The mapping with what a command line has said instead; None leaves a value as it is."""
    options = {"url_env": url_env, "lag_seconds": lag_seconds}
    changed = {name: value for name, value in options.items() if value is not None}
    section = database_section(mapping).model_copy(update=changed)
    return replace(mapping, document=mapping.document.model_copy(update={"database": section}))


def key_plan(mapping: Mapping, contract: Contract) -> RowPlan:
    """The plan that reads only the Kafka key of a row: the rest of a deleted row may be empty.

    Raises ContractError where the events of the mapping take the key from different places.
    """
    specs = {_key_spec(event, contract) for event in mapping.document.events}
    spec = specs.pop()
    if specs or not spec.columns:
        raise mapping.located.error(
            ("events",), f"a deletion needs {contract.kafka_key} to be read from the same columns in every event"
        )
    columns = mapping.columns
    positions = {name: position for position, name in enumerate(columns)}
    plan = plan_field(
        spec, contract.field(contract.kafka_key), positions, mapping.document.file.null_values, ("events",)
    )
    return RowPlan(columns, (EventPlan((), {}, ((0, plan),)),))


def _key_spec(event: EventMapping, contract: Contract) -> FieldMapping:
    return event.event_time if contract.kafka_key == "event_time" else event.fields[contract.kafka_key]


def _check_key_is_no_identity(
    mapping: Mapping, section: DatabaseTable, contract: Contract, position: int, event: EventMapping
) -> None:
    """An event id is made of the key: a hash of eleven digits is as good as the digits."""
    for name, spec in event.fields.items():
        if contract.field(name).is_direct_identifier and (same := sorted(set(spec.columns) & set(section.key))):
            raise mapping.located.error(
                ("database", "key"),
                f"column {same[0]!r} gives {name}, a direct identifier, and can't be a key: name a number of the row",
            )


def _check_deletes(mapping: Mapping, section: DatabaseTable, contract: Contract) -> None:
    asked = "deleted" if section.deleted else "detects_deletes" if section.detects_deletes else None
    if asked is None:
        return
    if not contract.deletes_by_key:
        raise mapping.located.error(("database", asked), f"{contract.key} allows no deletion by key (deletesByKey)")
    key_plan(mapping, contract)


def check_detects_deletes(mapping: Mapping) -> None:
    """Raise ContractError unless the keys that were sent have been kept from the first run on."""
    if not database_section(mapping).detects_deletes:
        raise ContractError(
            f"{mapping.located.file}: finding vanished keys needs `detects_deletes: true` in the database section"
        )
