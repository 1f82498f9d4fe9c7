"""One contract field, compiled: where its cell comes from and which functions it passes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from connectors.sources.file_source.converters import Converter, Run, converter, integer, of_type
from connectors.sources.file_source.mapping import FieldMapping
from connectors.sources.file_source.table import Cell
from datacentre.contracts.model import Field
from datacentre.located_yaml import Where

Origin = Callable[[Sequence[Cell]], Cell]
_FITTING_KINDS = {
    "string": {"text"},
    "number": {"number", "integer"},
    "timestamp": {"timestamp"},
}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "date": (str,), "timestamp": (str,), "integer": (int,),
    "number": (int, float), "boolean": (bool,), "array": (list, tuple),
}  # fmt: skip


class Misfit(Exception):
    """What a mapping asks for doesn't fit the contract; `where` is the path inside the mapping."""

    def __init__(self, where: Where, message: str):
        super().__init__(message)
        self.where = where
        self.message = message


@dataclass(frozen=True)
class FieldPlan:
    """How one field is read from a row: its cell, the texts that are nulls, the functions in order."""

    name: str
    label: str
    required: bool
    drops_value: bool
    takes_lists: bool
    origin: Origin
    nulls: frozenset[str]
    runs: tuple[Run, ...]


def plan_column(field: Field, position: int, nulls: Sequence[str], required: bool) -> FieldPlan:
    """A field that stands in a column of its own name, read as the contract's type."""
    return FieldPlan(
        field.name, field.name, required, False, field.type == "array",
        itemgetter(position), frozenset(nulls), _typed(field, of_type(field)),
    )  # fmt: skip


def plan_field(
    spec: FieldMapping, field: Field, positions: Mapping[str, int], nulls: Sequence[str], where: Where
) -> FieldPlan:
    """A field as a mapping describes it; raises Misfit where the result can't be the contract's type."""
    runs = _runs(spec, field, where)
    return FieldPlan(
        name=field.name,
        label=spec.column or spec.template or field.name,
        required=field.required,
        drops_value=spec.on_failure == "drop_value",
        takes_lists=field.type == "array" and (not spec.convert or spec.convert[0].name == "list"),
        origin=_origin(spec, positions, frozenset(nulls)),
        nulls=frozenset((*nulls, *spec.null_if)),
        runs=runs,
    )


def check_value(field: Field, value: Any, where: Where) -> None:
    """Raise Misfit unless a value written in the mapping itself is one that the contract takes."""
    types = _PYTHON_TYPES[field.type]
    if not isinstance(value, types) or (isinstance(value, bool) and field.type != "boolean"):
        raise Misfit(where, f"{value!r} is not of the contract's type {field.type}")
    if field.type in ("date", "timestamp"):
        try:
            of_type(field).run(value)
        except ValueError as problem:
            raise Misfit(where, f"{value!r}: {problem}") from None
    items: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple) else (value,)
    for item in items:
        if field.allowed is not None and item not in field.allowed:
            raise Misfit(where, f"{item!r} is none of the values that field {field.name!r} allows")


def _runs(spec: FieldMapping, field: Field, where: Where) -> tuple[Run, ...]:
    runs: list[Run] = []
    kinds: tuple[str, ...] = ("text",)
    for position, step in enumerate(spec.convert):
        place = (*where, "convert", position)
        try:
            chosen = converter(step)
        except ValueError as problem:
            raise Misfit(place, str(problem)) from None
        if chosen.takes != "any" and kinds != (chosen.takes,):
            raise Misfit(place, f"{step.name} takes text, and gets {' or '.join(kinds)}")
        runs.append(chosen.run)
        kinds = chosen.gives
    if spec.values is not None:
        if kinds != ("text",):
            raise Misfit((*where, "values"), f"replaces texts, and gets {' or '.join(kinds)}")
        for code, value in spec.values.items():
            if value is not None:
                check_value(field, value, (*where, "values", code))
        if spec.otherwise is not None:
            check_value(field, spec.otherwise, (*where, "otherwise"))
        return (*runs, _replacement(spec))
    if kinds == ("text",) and field.type != "string":
        return (*runs, *_typed(field, of_type(field)))
    if not set(kinds) <= _fitting(field):
        raise Misfit(where, f"gives {' or '.join(kinds)}, field {field.name!r} is of type {field.type}")
    return (*runs, *_items(field))


def _fitting(field: Field) -> set[str]:
    kinds = _FITTING_KINDS.get(field.type, {field.type})
    return kinds | {"date"} if field.allows_date_only else kinds


def _typed(field: Field, chosen: Converter) -> tuple[Run, ...]:
    return () if field.type == "string" else (chosen.run, *_items(field))


def _items(field: Field) -> tuple[Run, ...]:
    if field.type != "array" or field.item_type != "integer":
        return ()
    return (lambda items: [integer(item) for item in items],)


def _replacement(spec: FieldMapping) -> Run:
    table = dict(spec.values or {})
    if spec.has_otherwise:
        return lambda text: table.get(text, spec.otherwise)

    def replace(text: str) -> Any:
        if text not in table:
            raise ValueError("is none of the values that the mapping names")
        return table[text]

    return replace


def _origin(spec: FieldMapping, positions: Mapping[str, int], nulls: frozenset[str]) -> Origin:
    if spec.template is None:
        return itemgetter(positions[spec.columns[0]])
    parts = spec.template_parts
    places = [positions[name] for name in spec.columns]

    def fill(cells: Sequence[Cell]) -> Cell:
        text = parts[0]
        for turn, place in enumerate(places):
            cell = cells[place]
            if not isinstance(cell, str) or cell in nulls:
                return None
            text += cell + parts[2 * turn + 2]
        return text

    return fill
