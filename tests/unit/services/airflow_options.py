"""Airflow's own list of its options, read without importing Airflow."""

import importlib.util
from pathlib import Path
from typing import Any

import yaml


def options() -> dict[str, Any]:
    """Section name to a mapping with the key `options`."""
    package = importlib.util.find_spec("airflow")
    assert package is not None
    assert package.submodule_search_locations is not None
    file = Path(package.submodule_search_locations[0]) / "config_templates" / "config.yml"
    document: dict[str, Any] = yaml.safe_load(file.read_text())
    return document
