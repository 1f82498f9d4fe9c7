"""What a mapping says: how the rows of an agency's file become events of a stream."""

import codecs
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from datacentre.located_yaml import LocatedYaml

Scalar = str | int | float | bool
StepName = Literal[
    "trim", "upper", "lower", "text", "integer", "whole_number", "number", "boolean",
    "date", "timestamp", "list", "sha256",
]  # fmt: skip
_SHORT_OPTION = {"date": "format", "list": "separator"}
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Step(_Part):
    """One conversion: `trim`, or with options `date: "%d/%m/%Y"`, `timestamp: {zone: Asia/Thimphu}`.

    `format` is a strptime format (without it: ISO 8601). `zone` is the IANA zone of a clock that
    carries none. `date_at_midnight_in` names the zone whose midnight means "only the day is known".
    """

    name: StepName
    format: str | None = None
    zone: str | None = None
    date_at_midnight_in: str | None = None
    separator: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and len(value) == 1 and "name" not in value:
            ((name, options),) = value.items()
            return {"name": name, **(options if isinstance(options, dict) else _short(name, options))}
        return value


def _short(name: str, option: Any) -> dict[str, Any]:
    if name not in _SHORT_OPTION:
        raise ValueError(f"{name!r} takes no such option")
    return {_SHORT_OPTION[name]: option}


class FieldMapping(_Part):
    """Where one contract field comes from: a column, a template over columns, or a constant.

    `null_if` and the file's null values make a null; `convert` runs in order; `values` then replaces
    codes, and a code it doesn't name rejects the row unless `otherwise` says what stands for it.
    `on_failure: drop_value` gives up the value, with a line in the report, instead of the row.
    """

    column: str | None = None
    template: str | None = None
    constant: Scalar | tuple[str, ...] | tuple[int, ...] | None = None
    null_if: tuple[str, ...] = ()
    convert: tuple[Step, ...] = ()
    values: dict[str, Scalar | None] | None = None
    otherwise: Scalar | None = None
    on_failure: Literal["reject_row", "drop_value"] = "reject_row"

    @model_validator(mode="after")
    def _one_origin(self) -> "FieldMapping":
        if sum(origin is not None for origin in (self.column, self.template, self.constant)) != 1:
            raise ValueError("must name exactly one of column, template, constant")
        if self.constant is not None and (self.convert or self.values or self.null_if):
            raise ValueError("a constant is written as it is: no convert, values or null_if")
        if self.has_otherwise and self.values is None:
            raise ValueError("otherwise goes with values")
        return self

    @property
    def has_otherwise(self) -> bool:
        return "otherwise" in self.model_fields_set

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, in the order of their use."""
        if self.template is not None:
            return tuple(_PLACEHOLDER.findall(self.template))
        return () if self.column is None else (self.column,)

    @property
    def template_parts(self) -> tuple[str, ...]:
        """The template cut at its columns: text, column, text, column, ..., text."""
        return tuple(_PLACEHOLDER.split(self.template or ""))


class Condition(_Part):
    """What a column must hold (compared without surrounding blanks)."""

    column: str
    equals: str | None = None
    in_: tuple[str, ...] | None = Field(default=None, alias="in", min_length=1)
    not_empty: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_test(self) -> "Condition":
        if sum(test is not None for test in (self.equals, self.in_, self.not_empty)) != 1:
            raise ValueError("must name exactly one of equals, in, not_empty")
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class EventMapping(_Part):
    """One event that a row may tell of: when all conditions of `when` hold."""

    when: Annotated[tuple[Condition, ...], BeforeValidator(_as_list)] = ()
    event_time: FieldMapping
    fields: dict[str, FieldMapping] = Field(min_length=1)

    @property
    def columns(self) -> tuple[str, ...]:
        of_fields = [c for f in (self.event_time, *self.fields.values()) for c in f.columns]
        return tuple(dict.fromkeys([condition.column for condition in self.when] + of_fields))


class LeftOut(_Part):
    """Columns (shell wildcards allowed) that are not sent, and why."""

    columns: tuple[str, ...] = Field(min_length=1)
    why: str = Field(min_length=1)


class FileFormat(_Part):
    """How the file is written. Only the texts in `null_values` are nulls: `NA` is a value."""

    encoding: str = "utf-8-sig"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    null_values: tuple[str, ...] = ("",)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            name = codecs.lookup(value).name
        except LookupError:
            raise ValueError(f"unknown encoding {value!r}") from None
        return "utf-8-sig" if name == "utf-8" else name


class DatabaseTable(_Part):
    """Which rows of an agency's database are read, and by which columns they are read piece by piece.

    `url_env` names the environment variable that holds the SQLAlchemy URL. Rows come from a `table` (or
    view), or from a `query` with a `name`. The `watermark` column holds when the row was last written, by
    the database's clock: a timestamp (`zone` is the IANA zone of one that carries none) or, on
    PostgreSQL, the writing transaction as xid8. `key` are the columns that name a row.
    `open_transactions` says which transactions that are not over yet hold the reading back, see
    docs/database_source.md. A row that fulfils `deleted` deletes its Kafka key; `detects_deletes` keeps
    the Kafka keys that were sent, so that those that vanish can be found.
    """

    url_env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    table: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, min_length=1)
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,80}$")
    watermark: str = Field(min_length=1)
    zone: str | None = None
    key: tuple[str, ...] = Field(min_length=1)
    lag_seconds: float = Field(default=5.0, ge=0)
    open_transactions: Literal["all", "writing", "ignore"] = "all"
    deleted: Condition | None = None
    detects_deletes: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> "DatabaseTable":
        if (self.table is None) == (self.query is None):
            raise ValueError("must name exactly one of table, query")
        if (self.query is None) != (self.name is None):
            raise ValueError("a query needs a name, a table has its own")
        return self

    @property
    def label(self) -> str:
        """What messages, event ids and the stored position call it."""
        return str(self.table or self.name)


class MappingDocument(_Part):
    """A mapping as written in its YAML file."""

    stream: str
    source: str = Field(min_length=1, max_length=128)
    description: str = Field(min_length=1)
    provenance: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    file: FileFormat = FileFormat()
    database: DatabaseTable | None = None
    left_out: tuple[LeftOut, ...] = ()
    events: tuple[EventMapping, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_kind_of_source(self) -> "MappingDocument":
        if self.database is not None and "file" in self.model_fields_set:
            raise ValueError("file and database exclude each other")
        return self


@dataclass(frozen=True)
class Mapping:
    """A mapping that was checked against its contract, and the lines it stands on."""

    document: MappingDocument
    located: LocatedYaml

    @property
    def stream(self) -> str:
        return self.document.stream

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        return tuple(dict.fromkeys(c for event in self.document.events for c in event.columns))
