"""What the marts mean: their descriptions, owners and columns, as their yml files say it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datacentre.located_yaml import read_located


@dataclass(frozen=True)
class MartDoc:
    """`group` is the agency that owns it, `columns` are by name: type and meaning."""

    name: str
    description: str
    group: str
    columns: dict[str, tuple[str, str]]


def load_mart_docs(dbt_project: Path) -> dict[str, MartDoc]:
    """By mart; raises ContractError where a file is no YAML."""
    folder = dbt_project / "models" / "marts"
    files = (file for file in sorted(folder.glob("*.yml")) if not file.name.startswith("_"))
    models = (model for file in files for model in read_located(file).value.get("models", []))
    return {model["name"]: _doc(model) for model in models}


def _doc(model: dict[str, Any]) -> MartDoc:
    group = str(model.get("config", {}).get("group", ""))
    columns = {c["name"]: (str(c.get("data_type", "")), str(c.get("description", ""))) for c in model["columns"]}
    return MartDoc(model["name"], str(model.get("description", "")), group, columns)
