"""Read the batch rules of a contract: the entries of `schema[0].quality` whose engine is Great Expectations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from open_data_contract_standard.model import DataQuality
from pydantic import Field as Option
from pydantic import TypeAdapter, ValidationError

from datacentre.contracts.batch_rules import (
    CRITICAL,
    SEVERITIES,
    BatchRule,
    CodeShares,
    Distribution,
    Known,
    Measure,
    Volume,
)
from datacentre.contracts.model import Contract, Field
from datacentre.errors import ContractError
from datacentre.located_yaml import LocatedYaml, Where, read_located

ENGINE = "great-expectations"
_QUALITY: Where = ("schema", 0, "quality")
_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_choice: Any = Annotated[Measure, Option(discriminator="measure")]
_measures: TypeAdapter[Measure] = TypeAdapter(_choice)


def read_batch_rules(
    located: LocatedYaml, quality: Sequence[DataQuality], fields: Sequence[Field]
) -> tuple[BatchRule, ...]:
    """The rules in file order; raises ContractError naming file, line, rule, key and what is wrong."""
    rules: list[BatchRule] = []
    for position, item in enumerate(quality):
        if item.engine != ENGINE:
            continue
        where = (*_QUALITY, position)
        if item.name in {rule.name for rule in rules}:
            raise located.error(where, f"batch rule {item.name!r} stands twice")
        rules.append(_rule(located, where, item, fields))
    return tuple(rules)


def with_references(contracts: Mapping[str, Contract], files: Mapping[str, Any]) -> dict[str, Contract]:
    """The contracts, each told which of its columns other streams' rules look up.

    Raises ContractError for a rule that names a stream or a column that isn't there; `files` are the contracts' own.
    """
    looked_up: dict[str, list[str]] = {}
    for contract in contracts.values():
        for rule in contract.batch_rules:
            for source in rule.measure.sources if isinstance(rule.measure, Known) else ():
                stream, _, column = source.partition(".")
                if stream not in contracts or column not in _landed_scalars(contracts[stream].fields):
                    raise _unknown_source(files[contract.key], rule, source)
                looked_up.setdefault(stream, []).append(column)
    return {k: replace(c, looked_up=tuple(sorted(set(looked_up.get(k, ()))))) for k, c in contracts.items()}


def without_batch_rules(document: Mapping[str, Any]) -> dict[str, Any]:
    """A parsed contract file without its batch rules: what was agreed with the producer."""
    tables = [
        {**table, "quality": [item for item in table.get("quality", []) if item.get("engine") != ENGINE]}
        for table in document.get("schema", [])
    ]
    return {**document, "schema": tables}


def _rule(located: LocatedYaml, where: Where, item: DataQuality, fields: Sequence[Field]) -> BatchRule:
    said = f"batch rule {item.name!r}"
    if not item.name or not item.description:
        raise located.error(where, f"{said} needs a name and a description")
    if item.severity not in SEVERITIES:
        raise located.error(where, f"{said}: severity {item.severity!r} is none of {', '.join(SEVERITIES)}")
    try:
        measure = _measures.validate_python(item.implementation)
    except ValidationError as problem:
        first = min(problem.errors(), key=lambda found: found["type"] not in _UNKNOWN_KEY)
        inside = tuple(first["loc"][1:])  # the first part is the kind of measure
        raise located.error((*where, "implementation", *inside), f"{said}: {_told(first)}") from None
    rule = BatchRule(item.name, item.severity, " ".join(item.description.split()), measure)
    for problem_text in _problems(rule, fields):
        raise located.error((*where, "implementation"), f"{said}: {problem_text}")
    return rule


def _told(problem: Mapping[str, Any]) -> str:
    """pydantic's own words, but for a key that isn't known."""
    if problem["type"] in _UNKNOWN_KEY:
        return f"{problem['loc'][-1]!r} is not an option of this measure"
    return str(problem["msg"])


def _problems(rule: BatchRule, fields: Sequence[Field]) -> Iterable[str]:
    scalars = _landed_scalars(fields)
    yield from (
        f"column {name!r} is no single open field of the stream" for name in rule.columns if name not in scalars
    )
    measure = rule.measure
    if rule.severity == CRITICAL and isinstance(measure, Volume):
        yield "can't be critical: an hour is certified before it is over"
    if isinstance(measure, Distribution | CodeShares):
        if rule.severity == CRITICAL and measure.over == "day":
            yield "can't be critical over a day: it is certified before it is over"
        yield from _class_problems(measure, scalars)


def _class_problems(measure: Distribution | CodeShares, scalars: Mapping[str, Field | None]) -> Iterable[str]:
    field = scalars[measure.column]
    has_codes = field is not None and (field.allowed is not None or field.type == "boolean")
    if isinstance(measure, CodeShares) or not measure.edges:
        if not has_codes:
            yield f"column {measure.column!r} has no closed set of values"
    elif field is None or field.type not in ("integer", "number"):
        yield f"column {measure.column!r} is no number, so edges don't cut it"
    elif list(measure.edges) != sorted(set(measure.edges)):
        yield "edges must ascend"


def _landed_scalars(fields: Sequence[Field]) -> dict[str, Field | None]:
    """The columns of landed that hold one value of the record: open fields, and pseudonyms (without a field)."""
    found: dict[str, Field | None] = {f.name: f for f in fields if not f.is_direct_identifier and f.type != "array"}
    found |= {f.pseudonym_column: None for f in fields if f.pseudonym_column and f.type != "array"}
    return {name: field for name, field in found.items() if name not in ("schema", "event_time")}


def _unknown_source(file: Any, rule: BatchRule, source: str) -> ContractError:
    located = read_located(file)
    quality = located.value["schema"][0]["quality"]
    position = next(n for n, item in enumerate(quality) if item.get("name") == rule.name)
    where = (*_QUALITY, position, "implementation", "sources")
    return located.error(where, f"batch rule {rule.name!r}: {source!r} is no landed column of another contract")
