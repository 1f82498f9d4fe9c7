"""A row, compiled: the events it tells of, as records without their identity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.sources.file_source.field_plan import FieldPlan, Misfit, check_value, plan_column, plan_field
from connectors.sources.file_source.mapping import Condition, EventMapping, FieldMapping, MappingDocument
from connectors.sources.file_source.rejects import RowRejected
from connectors.sources.file_source.table import Cell
from datacentre.contracts.model import Contract
from datacentre.located_yaml import Where

_SET_BY_SOURCE = ("event_id", "source", "schema")
Record = dict[str, Any]
Slots = list[tuple[str, FieldMapping]]
Test = Callable[[Sequence[Cell]], bool]


@dataclass(frozen=True)
class EventPlan:
    """One event of a row: its conditions, its constant fields, its fields from the row.

    A field that several events read in the same way has the same slot, and is read once a row.
    """

    tests: tuple[Test, ...]
    constants: Record
    fields: tuple[tuple[int, FieldPlan], ...]


@dataclass(frozen=True)
class RowPlan:
    """Turns the cells of `columns`, in that order, into records."""

    columns: tuple[str, ...]
    events: tuple[EventPlan, ...]

    def records(self, cells: Sequence[Cell], dropped: list[RowRejected]) -> list[tuple[int, Record]]:
        """The row's events as (position of the event in the mapping from 1, record).

        Values given up by `on_failure: drop_value` are added to `dropped`. Raises RowRejected.
        """
        found = []
        read: dict[int, Any] = {}
        for position, event in enumerate(self.events, start=1):
            if all(test(cells) for test in event.tests):
                found.append((position, _record(event, cells, read, dropped)))
        return found


def _record(event: EventPlan, cells: Sequence[Cell], read: dict[int, Any], dropped: list[RowRejected]) -> Record:
    """`read` holds what earlier events of the row have read, by the plan's slot."""
    record = dict(event.constants)
    for slot, plan in event.fields:
        if slot in read:
            value = read[slot]
        else:
            value = read[slot] = _value(plan, cells, dropped)
        if value is not None:
            record[plan.name] = value
        elif plan.required:
            raise RowRejected(plan.label, plan.origin(cells), f"{plan.name}: is required, and empty")
    return record


def _value(plan: FieldPlan, cells: Sequence[Cell], dropped: list[RowRejected]) -> Any:
    cell = plan.origin(cells)
    is_list = isinstance(cell, list)
    if cell is None or (not is_list and cell in plan.nulls):
        return None
    try:
        if is_list and not plan.takes_lists:
            raise ValueError("holds a list where one value is expected")
        value: Any = cell
        for run in plan.runs:
            value = run(value)
        return value
    except (ValueError, OverflowError) as problem:
        flaw = RowRejected(plan.label, cell, f"{plan.name}: {problem}")
        if not plan.drops_value:
            raise flaw from None
        dropped.append(flaw)
        return None


def mapped_plan(document: MappingDocument, contract: Contract) -> RowPlan:
    """The plan of a mapping; raises Misfit where it doesn't fit the contract."""
    columns = tuple(dict.fromkeys(c for event in document.events for c in event.columns))
    slots: Slots = []
    events = tuple(
        _event(document, event, contract, columns, slots, ("events", position))
        for position, event in enumerate(document.events)
    )
    return RowPlan(columns, events)


def own_names_plan(contract: Contract, columns: Sequence[str]) -> RowPlan:
    """The plan of a file whose columns carry the contract's names."""
    known = [f for f in contract.fields if f.name in columns]
    required = required_columns(contract)
    fields = [plan_column(f, position, ("",), f.name in required) for position, f in enumerate(known)]
    event = EventPlan((), {"schema": contract.schema_tag}, tuple(enumerate(fields)))
    return RowPlan(tuple(f.name for f in known), (event,))


def required_columns(contract: Contract) -> set[str]:
    """What a file with the contract's names must hold: the file source fills the rest of what is required."""
    return {f.name for f in contract.fields if f.required} - {"event_id", "schema"}


def _event(
    document: MappingDocument,
    event: EventMapping,
    contract: Contract,
    columns: Sequence[str],
    slots: Slots,
    where: Where,
) -> EventPlan:
    specs: dict[str, FieldMapping] = {"event_time": event.event_time, **event.fields}
    places: dict[str, Where] = {name: (*where, "fields", name) for name in event.fields}
    places["event_time"] = (*where, "event_time")
    positions = {name: position for position, name in enumerate(columns)}
    nulls = document.file.null_values
    constants: Record = {"source": document.source, "schema": contract.schema_tag}
    fields = []
    for name, spec in specs.items():
        place = places[name]
        if name in _SET_BY_SOURCE or (name == "event_time" and "event_time" in event.fields):
            raise Misfit((*where, "fields", name), "is not mapped here: the source fills it")
        if name not in {f.name for f in contract.fields}:
            raise Misfit(place, f"{contract.key} has no such field")
        target = contract.field(name)
        if spec.constant is not None:
            check_value(target, spec.constant, (*place, "constant"))
            constants[name] = spec.constant
        else:
            plan = plan_field(spec, target, positions, nulls, place)
            if (name, spec) not in slots:
                slots.append((name, spec))
            fields.append((slots.index((name, spec)), plan))
    for target in contract.fields:
        if target.required and target.name not in {*specs, *_SET_BY_SOURCE}:
            raise Misfit((*where, "fields"), f"{contract.key} requires field {target.name!r}")
    tests = tuple(condition_test(condition, positions[condition.column], nulls) for condition in event.when)
    return EventPlan(tests, constants, tuple(fields))


def condition_test(condition: Condition, position: int, nulls: Sequence[str]) -> Test:
    """Whether a row's cells fulfil a condition on the cell at `position`."""
    if condition.not_empty:
        empty = frozenset((None, "", *nulls))
        return lambda cells: isinstance(cells[position], list) or _text(cells[position]) not in empty
    wanted = frozenset(condition.in_ or (str(condition.equals),))
    return lambda cells: _text(cells[position]) in wanted


def _text(cell: Cell) -> str | None:
    return cell.strip() if isinstance(cell, str) else None
