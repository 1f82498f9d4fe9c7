"""What a stream's contract says, as frozen values."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from datacentre import names
from datacentre.contracts.batch_rules import BatchRule

FIELD_TYPES = ("string", "integer", "number", "boolean", "date", "timestamp", "array")
CLASSIFICATIONS = ("direct_identifier", "personal", "public")
BOOKKEEPING = ("event_id", "source", "event_time", "schema", "corrects_event_id")

LAKE_COLUMNS = frozenset(
    {
        "kafka_partition",
        "kafka_offset",
        "broker_time",
        "ingest_date",
        "record_key",
        "value",
        "is_deleted",
        "has_identity",
        "schema_version",
        "event_date",
        "broken_rules",
        "pseudonym_key_id",
        "certificate_id",
    }
)
"""Names that the tables use themselves, so that no contract may."""


@dataclass(frozen=True)
class Field:
    """One field of a record.

    `item_type` is the type of an array's items. `allowed` holds the permitted values, already
    resolved when they come from a code list. `minimum` and `maximum` bound numbers (as written),
    dates (ISO 8601 text) and, for arrays and strings, nothing: those have `min_length`/`max_length`.
    `pseudonym_column` names the landed column that carries the keyed pseudonym of this identifier.
    """

    name: str
    type: str
    description: str
    required: bool = False
    item_type: str | None = None
    unit: str | None = None
    classification: str = "public"
    allowed: tuple[str | int, ...] | None = None
    code_list: str | None = None
    pattern: str | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    min_length: int | None = None
    max_length: int | None = None
    allows_date_only: bool = False
    pseudonym_column: str | None = None
    authoritative_source: str | None = None

    @property
    def is_direct_identifier(self) -> bool:
        return self.classification == "direct_identifier"

    @property
    def binding_pattern(self) -> str | None:
        """The pattern that a value has to match.

        None also for a person's number that may be left out, where a stream is the authority of it and not the
        sender itself: one that doesn't match is as good as none. The record lands without a pseudonym, and the registry
        looks for whom it speaks of.
        """
        is_of_register = self.authoritative_source is not None and "/" not in self.authoritative_source
        is_number = self.pseudonym_column is not None and self.type == "string"
        return None if is_number and is_of_register and not self.required else self.pattern


@dataclass(frozen=True)
class RecordRule:
    """A condition over several fields of one record, as a SQL expression that must be true.

    The expression sees the contract's typed fields and `broker_time`; an unknown result (null)
    counts as true, so that a rule speaks only of values that are there. It may not read the clock.
    """

    name: str
    expression: str
    description: str


@dataclass(frozen=True)
class Contract:
    """One stream: who owns it, what its records hold, what is promised about it.

    `earlier` are the versions published before this one whose records are still taken, newest first. `looked_up` are
    the columns in which batch rules of other streams look for a value.
    """

    key: str
    version: str
    title: str
    agency: str
    owner: str
    purpose: str
    legal_basis: str
    kafka_key: str
    time_zone: str
    partitions: int
    topic_retention_hours: int
    lake_retention_days: int
    freshness_seconds: int
    completeness_percent: float
    deletes_by_key: bool
    compatibility: str
    fields: tuple[Field, ...]
    record_rules: tuple[RecordRule, ...]
    grain: str
    earlier: "tuple[Contract, ...]" = ()
    batch_rules: tuple[BatchRule, ...] = ()
    looked_up: tuple[str, ...] = ()

    @property
    def schema_tag(self) -> str:
        return names.schema_tag(self.key, self.version)

    @property
    def identifiers(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.is_direct_identifier)

    @property
    def pseudonymised(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.pseudonym_column)

    @property
    def open_fields(self) -> tuple[Field, ...]:
        """The fields that stay in `landed`: all but the direct identifiers."""
        return tuple(f for f in self.fields if not f.is_direct_identifier)

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the contract and the code lists it refers to, as 64 hex digits.

        Without the batch rules: where a record goes doesn't depend on them.
        """
        return hashlib.sha256(json.dumps(_of_records(self), sort_keys=True).encode()).hexdigest()


def _of_records(contract: Contract) -> dict[str, Any]:
    said = {name: value for name, value in asdict(contract).items() if name not in ("batch_rules", "looked_up")}
    return said | {"earlier": [_of_records(earlier) for earlier in contract.earlier]}
