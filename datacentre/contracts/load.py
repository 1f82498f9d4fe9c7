"""Read contracts in the Open Data Contract Standard (ODCS 3.1) and say where one is wrong.

Standard: https://bitol-io.github.io/open-data-contract-standard/v3.1.0/
"""

import csv
import importlib.resources
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jsonschema
from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from datacentre import names
from datacentre.contracts.batch_rule_reader import ENGINE, read_batch_rules, with_references
from datacentre.contracts.model import (
    BOOKKEEPING,
    CLASSIFICATIONS,
    FIELD_TYPES,
    LAKE_COLUMNS,
    Contract,
    Field,
    RecordRule,
)
from datacentre.contracts.versions import published_file, published_versions, version_number, with_earlier
from datacentre.errors import ContractError
from datacentre.located_yaml import LocatedYaml, read_located

STANDARD_VERSION = "v3.1.0"
RECORD_ENGINE = "datacentre"
OPTIONS = frozenset({"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"})


def load_contracts(schemas: Path) -> dict[str, Contract]:
    """All contracts under `schemas/contracts`, by stream key, in name order; read again once a file has changed."""
    return dict(_load_contracts(schemas, _stamp(schemas)))


def _stamp(schemas: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time of change and size of every file that a contract is made of."""
    patterns = ("contracts/*.yaml", "published/*/*.yaml", "reference/*.csv")
    files = sorted(f for pattern in patterns for f in schemas.glob(pattern))
    return tuple((str(f), stat.st_mtime_ns, stat.st_size) for f in files for stat in [f.stat()])


@lru_cache(maxsize=4)
def _load_contracts(schemas: Path, stamp: tuple[tuple[str, int, int], ...]) -> dict[str, Contract]:
    files = sorted((schemas / "contracts").glob("*.yaml"))
    if not files:
        raise ContractError(f"no contract found in {schemas / 'contracts'}")
    contracts = {contract.key: contract for contract in (load_contract(f, schemas) for f in files)}
    return with_references(contracts, {f.stem: f for f in files})


def _with_published(contract: Contract, schemas: Path) -> Contract:
    before = [
        load_version(published_file(schemas, contract.key, version), contract.key, schemas)
        for version in published_versions(schemas, contract.key)
        if version_number(version) < version_number(contract.version)
    ]
    return with_earlier(contract, before)


def choose(contracts: Mapping[str, Contract], keys: Sequence[str] | None) -> dict[str, Contract]:
    """The contracts of these keys, of all when none is given; raises ContractError for an unknown one."""
    unknown = sorted(set(keys or ()) - set(contracts))
    if unknown:
        raise ContractError(f"no contract for {', '.join(unknown)}; known are {', '.join(contracts)}")
    return {key: contracts[key] for key in (keys or contracts)}


def load_contract(file: Path, schemas: Path) -> Contract:
    """One contract with its earlier versions; raises ContractError naming file, line, field and what is wrong."""
    return _with_published(load_version(file, file.stem, schemas), schemas)


def load_version(file: Path, key: str, schemas: Path) -> Contract:
    """One version of the contract `key`, by itself."""
    located = read_located(file)
    _check_standard(located)
    document = OpenDataContractStandard(**located.value)
    if document.apiVersion != STANDARD_VERSION:
        raise located.error(("apiVersion",), f"must be {STANDARD_VERSION}")
    if document.id != key:
        raise located.error(("id",), f"must equal the file's name {key!r}")
    return _Reader(located, document, schemas).contract()


@cache
def _standard() -> jsonschema.protocols.Validator:
    text = importlib.resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    return jsonschema.validators.validator_for(json.loads(text))(json.loads(text))


def _check_standard(located: LocatedYaml) -> None:
    error = jsonschema.exceptions.best_match(_standard().iter_errors(located.value))
    if error is not None:
        where = tuple(error.absolute_path)
        raise located.error(where, _in_field(located.value, where) + error.message[:300])


def _in_field(document: Mapping[str, Any], where: tuple[str | int, ...]) -> str:
    """The name of the field that a path leads into, as the start of a message."""
    match where:
        case ("schema", int(table), "properties", int(position), *_):
            field = document["schema"][table]["properties"][position]
            return f"field {field['name']!r}: " if isinstance(field, dict) and "name" in field else ""
    return ""


class _Reader:
    """Turns one parsed document into a Contract."""

    def __init__(self, located: LocatedYaml, document: OpenDataContractStandard, schemas: Path):
        self._located = located
        self._document = document
        self._schemas = schemas

    def contract(self) -> Contract:
        document = self._document
        custom = _custom(document.customProperties)
        if not document.schema_ or len(document.schema_) != 1:
            raise self._located.error(("schema",), "must hold exactly one object")
        table = document.schema_[0]
        fields = tuple(self._field(n, p) for n, p in enumerate(table.properties or []))
        self._check_fields(fields)
        contract = Contract(
            key=names.checked_stream_key(str(document.id)),
            version=self._text("version", document.version),
            title=self._text("name", document.name),
            agency=self._text("tenant", document.tenant),
            owner=self._text("team", getattr(document.team, "name", None)),
            purpose=self._text("description", document.description and document.description.purpose),
            legal_basis=self._custom_text(custom, "legalBasis"),
            kafka_key=self._custom_text(custom, "kafkaKey"),
            time_zone=self._custom_text(custom, "timeZone"),
            partitions=self._custom_integer(custom, "partitions"),
            deletes_by_key=bool(custom.get("deletesByKey", False)),
            compatibility=self._custom_text(custom, "compatibility"),
            topic_retention_hours=int(self._service_level("topicRetention", "hours")),
            lake_retention_days=int(self._service_level("retention", "days")),
            freshness_seconds=int(self._service_level("freshness", "seconds")),
            completeness_percent=self._service_level("completeness", "percent"),
            fields=fields,
            record_rules=self._record_rules(table),
            batch_rules=read_batch_rules(self._located, table.quality or [], fields),
            grain=self._text("schema.dataGranularityDescription", table.dataGranularityDescription),
        )
        if contract.kafka_key not in {f.name for f in fields if f.required and f.type == "string"}:
            raise self._located.error(
                ("customProperties",), f"kafkaKey {contract.kafka_key!r} must be a required string field"
            )
        return contract

    def _check_fields(self, fields: Sequence[Field]) -> None:
        seen = [f.name for f in fields]
        where: tuple[str | int, ...] = ("schema", 0, "properties")
        if tuple(seen[: len(BOOKKEEPING)]) != BOOKKEEPING:
            raise self._located.error(where, f"the first fields must be {', '.join(BOOKKEEPING)}")
        for position, name in enumerate(seen):
            if name in seen[:position]:
                raise self._located.error((*where, position), f"field {name!r} stands twice")
            if name in LAKE_COLUMNS:
                raise self._located.error((*where, position), f"field {name!r}: the lake has a column of that name")

    def _field(self, position: int, item: SchemaProperty) -> Field:
        where: tuple[str | int, ...] = ("schema", 0, "properties", position)
        name, kind = str(item.name), str(item.logicalType)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise self._located.error((*where, "name"), f"field {name!r} must be snake_case")
        if kind not in FIELD_TYPES:
            raise self._located.error(
                (*where, "logicalType"), f"field {name!r}: type {kind!r} is none of {', '.join(FIELD_TYPES)}"
            )
        if item.classification not in CLASSIFICATIONS:
            raise self._located.error(
                where, f"field {name!r}: classification must be one of {', '.join(CLASSIFICATIONS)}"
            )
        if not item.description:
            raise self._located.error(where, f"field {name!r} has no description")
        if kind == "array" and (item.items is None or item.items.logicalType not in ("string", "integer")):
            raise self._located.error(where, f"field {name!r}: items must be strings or integers")
        custom = _custom(item.customProperties)
        value_side = item.items if kind == "array" and item.items else item
        options = {**(value_side.logicalTypeOptions or {}), **(item.logicalTypeOptions or {})}
        if unknown := sorted(options.keys() - OPTIONS):
            raise self._located.error(where, f"field {name!r}: option {unknown[0]!r} is not checked here")
        code_list = custom.get("codeList")
        return Field(
            name=name,
            type=kind,
            description=" ".join(item.description.split()),
            required=bool(item.required),
            item_type=item.items.logicalType if item.items else None,
            unit=custom.get("unit"),
            classification=item.classification,
            allowed=self._allowed(where, name, item, code_list),
            code_list=code_list,
            pattern=self._pattern(where, name, options.get("pattern")),
            minimum=_plain(options.get("minimum")),
            maximum=_plain(options.get("maximum")),
            min_length=options.get("minLength", options.get("minItems")),
            max_length=options.get("maxLength", options.get("maxItems")),
            allows_date_only=bool(custom.get("allowsDateOnly", False)),
            pseudonym_column=custom.get("pseudonymColumn"),
            authoritative_source=custom.get("authoritativeSource"),
        )

    def _pattern(self, where: tuple[str | int, ...], name: str, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as problem:
                raise self._located.error(where, f"field {name!r}: pattern {pattern!r}: {problem}") from None
        return pattern

    def _allowed(
        self, where: tuple[str | int, ...], name: str, item: SchemaProperty, code_list: str | None
    ) -> tuple[str | int, ...] | None:
        if code_list is not None:
            file = self._schemas / "reference" / f"{code_list}.csv"
            if not file.exists():
                raise self._located.error(where, f"field {name!r}: no code list {file}")
            return read_codes(file)
        for rule in item.quality or []:
            if rule.metric == "invalidValues":
                values = (rule.arguments or {}).get("validValues")
                if not isinstance(values, list) or not values:
                    raise self._located.error(where, f"field {name!r}: validValues must be a list")
                return tuple(values)
        return None

    def _record_rules(self, table: SchemaObject) -> tuple[RecordRule, ...]:
        for position, rule in enumerate(table.quality or []):
            if rule.engine not in (RECORD_ENGINE, ENGINE):
                where = ("schema", 0, "quality", position)
                raise self._located.error(where, f"engine {rule.engine!r} is none of {RECORD_ENGINE}, {ENGINE}")
        return tuple(
            RecordRule(str(rule.name), str(rule.implementation), str(rule.description))
            for rule in table.quality or []
            if rule.engine == RECORD_ENGINE
        )

    def _service_level(self, name: str, unit: str) -> float:
        for position, level in enumerate(self._document.slaProperties or []):
            if level.property == name:
                if level.unit != unit or not isinstance(level.value, int | float):
                    raise self._located.error(("slaProperties", position), f"{name} must be a number of {unit}")
                return float(level.value)
        raise self._located.error(("slaProperties",), f"no service level {name!r} (in {unit})")

    def _text(self, path: str, value: object) -> str:
        if not value:
            raise self._located.error(tuple(path.split(".")), "is missing or empty")
        return " ".join(str(value).split())

    def _custom_text(self, custom: Mapping[str, Any], name: str) -> str:
        if not isinstance(custom.get(name), str):
            raise self._located.error(("customProperties",), f"property {name!r} is missing or not text")
        return str(custom[name])

    def _custom_integer(self, custom: Mapping[str, Any], name: str) -> int:
        if not isinstance(custom.get(name), int):
            raise self._located.error(("customProperties",), f"property {name!r} is missing or not a whole number")
        return int(custom[name])


def read_codes(file: Path) -> tuple[str, ...]:
    """The `code` column of a reference list, in file order; raises ContractError without one."""
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if "code" not in (reader.fieldnames or ()):
            raise ContractError(f"{file}:1: a code list needs a column named code")
        return tuple(row["code"] for row in reader)


def _custom(properties: Sequence[CustomProperty] | None) -> dict[str, Any]:
    return {str(p.property): p.value for p in properties or []}


def _plain(bound: Any) -> float | str | None:
    """Dates come out of YAML as date objects; keep them as ISO text."""
    return bound if bound is None or isinstance(bound, int | float | str) else bound.isoformat()
