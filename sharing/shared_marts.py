"""The marts as consumers may get them: columns, key, and how each column may leave, all from the marts' yml files."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from datacentre.errors import ContractError
from datacentre.located_yaml import LocatedYaml, read_located
from sharing.scoped_columns import Leaving

_WAYS = tuple(f.name for f in fields(Leaving))


@dataclass(frozen=True)
class SharedMart:
    """`columns` has DuckDB's type by name; `key` the columns that a row is known by."""

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    leaving: Leaving

    @property
    def unsorted(self) -> tuple[str, ...]:
        """Columns of which the yml doesn't say how they leave; they don't."""
        said = (*self.leaving.columns, *self.leaving.never)
        return tuple(name for name in self.columns if name not in said)


def load_shared_marts(dbt_project: Path) -> dict[str, SharedMart]:
    """All marts by name; read again once a file has changed. Raises ContractError naming file, line and column."""
    files = sorted((dbt_project / "models" / "marts").glob("[!_]*.yml"))
    return dict(_load(tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)))


@lru_cache(maxsize=4)
def _load(stamp: tuple[tuple[Path, int, int], ...]) -> dict[str, SharedMart]:
    located = [read_located(file) for file, *_ in stamp]
    marts = [_mart(yaml, number) for yaml in located for number in range(len(yaml.value.get("models", [])))]
    return {mart.name: mart for mart in marts}


def _mart(located: LocatedYaml, number: int) -> SharedMart:
    model = located.value["models"][number]
    columns = {column["name"]: str(column["data_type"]) for column in model["columns"]}
    return SharedMart(model["name"], columns, _key(model), _leaving(located, number, model, columns))


def _key(model: Mapping[str, Any]) -> tuple[str, ...]:
    tests = (test for test in model.get("data_tests", []) if "unique_together" in test)
    return tuple(next(tests)["unique_together"]["arguments"]["columns"])


def _leaving(located: LocatedYaml, number: int, model: Mapping[str, Any], columns: Mapping[str, str]) -> Leaving:
    said = model.get("config", {}).get("meta", {}).get("leaves", {})
    where = ("models", number, "config", "meta", "leaves")
    seen: set[str] = set()
    for way, names in said.items():
        if way not in _WAYS:
            raise located.error((*where, way), f"columns leave in one of these ways: {', '.join(_WAYS)}")
        for name in names:
            if name not in columns or name in seen:
                raise _misnamed(located, (*where, way), model["name"], name, name in seen)
            seen.add(name)
    return Leaving(**said)


def _misnamed(
    located: LocatedYaml, where: tuple[str | int, ...], mart: str, name: str, is_repeated: bool
) -> ContractError:
    problem = "leaves in two ways" if is_repeated else f"is no column of {mart}"
    return located.error(where, f"{name!r} {problem}")
