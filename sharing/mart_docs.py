"""What the marts mean: their descriptions, owners and columns, as their yml files say it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datacentre.located_yaml import read_located


@dataclass(frozen=True)
class MartDoc:
    """`columns` by name: type and meaning."""

    name: str
    description: str
    owner: str
    columns: dict[str, tuple[str, str]]


def load_mart_docs(dbt_project: Path) -> dict[str, MartDoc]:
    """By mart; raises ContractError where a file is no YAML."""
    folder = dbt_project / "models" / "marts"
    owners = _owners(folder)
    files = (file for file in sorted(folder.glob("*.yml")) if not file.name.startswith("_"))
    models = (model for file in files for model in read_located(file).value.get("models", []))
    return {model["name"]: _doc(model, owners) for model in models}


def _owners(folder: Path) -> dict[str, str]:
    groups = read_located(folder / "_groups.yml").value["groups"]
    return {group["name"]: group["owner"]["name"] for group in groups}


def _doc(model: dict[str, Any], owners: dict[str, str]) -> MartDoc:
    group = str(model.get("config", {}).get("group", ""))
    columns = {c["name"]: (str(c.get("data_type", "")), str(c.get("description", ""))) for c in model["columns"]}
    return MartDoc(model["name"], str(model.get("description", "")), owners.get(group, group), columns)
