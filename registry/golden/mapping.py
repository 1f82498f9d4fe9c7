"""What `schemas/registry/person.yaml` says: which records speak of which person, and whom to believe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from datacentre.contracts import Contract
from datacentre.contracts.model import Field as FieldOfContract
from datacentre.errors import ContractError
from datacentre.located_yaml import LocatedYaml, Where, read_located
from registry.golden.statements import ATTRIBUTES

_DATES = ("birth_date",)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Strict):
    """A record's open field has one of these values."""

    field: str
    values: tuple[str, ...] = Field(min_length=1)


class Role(_Strict):
    """Who is named by which field of a stream, and what such a record says.

    `says` maps attributes to fields; several fields make one text. `establishes` maps those that only the confirming
    record gives, out of what the records before it said.
    """

    number: str
    registers: bool = False
    says: dict[str, tuple[str, ...]] = {}
    establishes: dict[str, str] = {}

    @field_validator("says", mode="before")
    @classmethod
    def _as_lists(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: [field] if isinstance(field, str) else field for name, field in value.items()}


class SpeakingStream(_Strict):
    """A stream that names persons: its roles, and what confirms, refuses or amends a case."""

    roles: dict[str, Role] = Field(min_length=1)
    confirmed_by: Condition | None = None
    refused_by: Condition | None = None
    amended_by: Condition | None = None


class Belief(_Strict):
    """How an attribute's value is chosen. `otherwise` names the attribute that stands in where nothing is known."""

    rule: Literal["settled", "newest"]
    authority: str
    otherwise: str | None = None


class _Document(_Strict):
    streams: dict[str, SpeakingStream] = Field(min_length=1)
    attributes: dict[str, Belief]


@dataclass(frozen=True)
class PersonMapping:
    """Streams by key, beliefs by attribute. `text` is the file as it stands."""

    streams: Mapping[str, SpeakingStream]
    beliefs: Mapping[str, Belief]
    text: str


def mapping_file(schemas: Path) -> Path:
    return schemas / "registry" / "person.yaml"


def load_mapping(schemas: Path, contracts: Mapping[str, Contract]) -> PersonMapping:
    """The mapping, checked against the contracts.

    Raises ContractError naming file, line and field of what they don't bear out.
    """
    file = mapping_file(schemas)
    located = read_located(file)
    try:
        document = _Document.model_validate(located.value)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise located.error(first["loc"], first["msg"].removeprefix("Value error, ")) from None
    for name, belief in document.attributes.items():
        _check_attribute(located, document, name, belief)
    for key, stream in document.streams.items():
        if key not in contracts:
            raise located.error(("streams", key), f"no contract {key!r}")
        _StreamCheck(located, document, contracts[key]).check(stream)
    return PersonMapping(document.streams, document.attributes, file.read_text(encoding="utf-8"))


def _check_attribute(located: LocatedYaml, document: _Document, name: str, belief: Belief) -> None:
    where = ("attributes", name)
    if name not in ATTRIBUTES:
        raise located.error(where, f"no such attribute; there are {', '.join(ATTRIBUTES)}")
    if belief.otherwise is not None and belief.otherwise not in document.attributes:
        raise located.error((*where, "otherwise"), f"no attribute {belief.otherwise!r}")


class _StreamCheck:
    """One stream of the mapping against its contract."""

    def __init__(self, located: LocatedYaml, document: _Document, contract: Contract):
        self._located, self._document, self._contract = located, document, contract
        self._fields = {field.name: field for field in contract.fields}

    def check(self, stream: SpeakingStream) -> None:
        for part in ("confirmed_by", "refused_by", "amended_by"):
            self._check_condition(part, getattr(stream, part))
        for name, role in stream.roles.items():
            self._check_role(("roles", name), role)
            if role.establishes and stream.confirmed_by is None:
                raise self._error(("roles", name, "establishes"), "only a confirming record does; say confirmed_by")

    def _check_condition(self, part: str, condition: Condition | None) -> None:
        if condition is None:
            return
        allowed = self._open_field(condition.field, (part, "field")).allowed or ()
        if unknown := [value for value in condition.values if value not in allowed]:
            raise self._error((part, "values"), f"{condition.field!r} never is {', '.join(unknown)}")

    def _check_role(self, place: Where, role: Role) -> None:
        if self._field(role.number, (*place, "number")).pseudonym_column is None:
            raise self._error((*place, "number"), f"{role.number!r} has no pseudonymColumn in {self._contract.key}")
        for attribute, names in role.says.items():
            for name in names:
                self._check_said(attribute, self._field(name, (*place, "says", attribute)), (*place, "says", attribute))
        for attribute, name in role.establishes.items():
            where = (*place, "establishes", attribute)
            self._check_said(attribute, self._open_field(name, where), where)

    def _check_said(self, attribute: str, field: FieldOfContract, where: Where) -> None:
        if attribute not in self._document.attributes:
            raise self._error(where, "is no attribute below")
        authority = self._document.attributes[attribute].authority
        if field.type != ("date" if attribute in _DATES else "string"):
            raise self._error(where, f"{field.name!r} is a {field.type}")
        if field.authoritative_source != authority:
            told = f"the contract's authoritativeSource of {field.name!r} is {field.authoritative_source}"
            raise self._error(where, f"{told}, the authority below is {authority}")

    def _field(self, name: str, where: Where) -> FieldOfContract:
        if name not in self._fields:
            raise self._error(where, f"no field {name!r} in {self._contract.key}")
        return self._fields[name]

    def _open_field(self, name: str, where: Where) -> FieldOfContract:
        field = self._field(name, where)
        if field.is_direct_identifier:
            raise self._error(where, f"{name!r} is a direct identifier; it has to be an open field")
        return field

    def _error(self, place: Where, message: str) -> ContractError:
        return self._located.error(("streams", self._contract.key, *place), message)
