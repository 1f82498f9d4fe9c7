"""A row filter: one SQL condition over the columns of one table, that can do nothing else."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from datacentre.errors import ContractError

_CLASSES = {"CONJUNCTION", "COMPARISON", "OPERATOR", "BETWEEN", "CONSTANT", "CAST", "TYPE", "COLUMN_REF", "FUNCTION"}
_FUNCTIONS = {"+", "-", "*", "~~", "!~~", "lower", "upper", "length", "abs", "year", "month", "list_contains"}


def check_row_filter(condition: str, types: Mapping[str, str]) -> None:
    """Raises ContractError, without a place, unless `condition` is one condition over these columns.

    `types` has DuckDB's type by column. No subqueries, no parameters, none but a few functions, no clock; the condition
    must be whole by itself, so that it can stand in brackets.
    """
    tree = _parsed(f"select 1 from t where ({condition})")
    if tree != _parsed(f"select 1 from t where {condition}"):
        raise ContractError("must be one condition by itself")
    for part in _parts(tree):
        _check(part, types)
    _bind(condition, types)


def _parsed(query: str) -> Any:
    """The tree of the condition, without its places in the text."""
    with duckdb.connect() as connection:
        rows = connection.execute("select json_serialize_sql($query)", {"query": query}).fetchall()
    document = json.loads(rows[0][0])
    if document["error"]:
        raise ContractError(f"is no SQL condition: {document['error_message']}")
    node = document["statements"][0]["node"]
    if len(document["statements"]) > 1 or node["type"] != "SELECT_NODE" or _extras(node):
        raise ContractError("must be one condition by itself")
    return _without_places(node["where_clause"])


def _extras(node: Mapping[str, Any]) -> bool:
    said = {name for name, value in node.items() if value}
    return bool(
        said - {"type", "select_list", "from_table", "where_clause", "cte_map", "aggregate_handling"}
        or node.get("cte_map", {}).get("map")
    )


def _without_places(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _without_places(part) for name, part in tree.items() if not name.startswith("query_location")}
    return [_without_places(part) for part in tree] if isinstance(tree, list) else tree


def _parts(tree: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for part in tree.values():
            yield from _parts(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _parts(part)


def _check(part: Mapping[str, Any], types: Mapping[str, str]) -> None:
    kind = part["class"]
    if kind not in _CLASSES:
        raise ContractError(f"may not hold a {kind.lower().replace('_', ' ')}")
    if kind == "FUNCTION" and part["function_name"] not in _FUNCTIONS:
        raise ContractError(f"may not call {part['function_name']}; it may call {', '.join(sorted(_FUNCTIONS))}")
    if kind == "COLUMN_REF":
        name = ".".join(part["column_names"])
        if name not in types:
            raise ContractError(f"there is no column {name!r} to filter by; there are {', '.join(types)}")


def _bind(condition: str, types: Mapping[str, str]) -> None:
    """Types show only when the condition meets its columns, and wrong constants only when it meets a row."""
    columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    with duckdb.connect(config={"enable_external_access": False}) as connection:
        connection.execute(f"create table t ({columns})")
        connection.execute(f"insert into t values ({', '.join('null' for _ in types)})")
        connection.execute("pragma disable_optimizer")
        try:
            found = connection.execute(f"select ({condition}) from t")
            kind = str(found.description[0][1])
            found.fetchall()
        except duckdb.Error as problem:
            raise ContractError(f"doesn't fit its columns: {str(problem).splitlines()[0]}") from None
    if kind != "BOOLEAN":
        raise ContractError(f"must be true or false, not {kind}")
