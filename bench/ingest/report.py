"""Figures of a run as one JSON document, and the ratios that the project promises."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bench.ingest import connect, spark
from datacentre.services import kafka
from datacentre.settings import REPOSITORY

FOLDER = REPOSITORY / "docs" / "bench"
FILE = FOLDER / "ingest.json"
_PACKAGES = ("kafka-python", "confluent-kafka", "deltalake", "duckdb", "pyarrow", "polars")

Document = dict[str, Any]


class Promise(NamedTuple):
    """A figure beside what is promised of it; `is_kept` by comparison with `target`, at least or at most."""

    name: str
    value: float
    target: float
    is_at_least: bool

    @property
    def is_kept(self) -> bool:
        return self.value >= self.target if self.is_at_least else self.value <= self.target


def load() -> Document:
    """The figures so far; empty before the first run."""
    return dict(json.loads(FILE.read_text())) if FILE.exists() else {}


def store(sections: Mapping[str, object]) -> Document:
    """Put sections into the document, with the machine they were taken on; returns the whole of it."""
    document = load()
    document["machine"] = machine()
    document |= {name: _plain(section) for name, section in sections.items()}
    document["taken"] = {
        **document.get("taken", {}),
        **dict.fromkeys(sections, datetime.now(UTC).isoformat(timespec="minutes")),
    }
    document["promises"] = [{**p._asdict(), "is_kept": p.is_kept} for p in promises(document)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(_rounded(document), indent=1) + "\n")
    return document


def machine() -> Document:
    """What the figures depend on."""
    versions = {name: version(name) for name in _PACKAGES}
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "kafka": kafka.VERSION,
        "spark": spark.VERSION,
        "kafka-connect": connect.KAFKA_VERSION,
        "iceberg": connect.ICEBERG_VERSION,
        **versions,
    }


def promises(document: Document) -> list[Promise]:
    """Every promise whose figures are there."""
    found: list[Promise] = []
    ours = {run["client"]: run for run in document.get("ours", []) if run["processes"] == 2}
    tuned = next((r for r in reversed(document.get("spark", [])) if r["format"] == "delta"), None)
    alone = {run["client"]: run for run in document.get("consume", []) if run["processes"] == 2}
    for client, faster, leaner in (("librdkafka", 2.5, 1 / 3), ("kafka-python", 1.5, 1 / 2)):
        run = ours.get(client)
        if run and tuned:
            speed = run["records_per_second"] / tuned["records_per_second"]
            cost = run["steady_cpu_seconds_per_million"] / tuned["cpu_seconds_per_million"]
            found.append(Promise(f"{client}: speed / Spark into Delta", speed, faster, True))
            found.append(Promise(f"{client}: CPU / Spark into Delta", cost, leaner, False))
        if run:
            found.append(Promise(f"{client}: seconds from start to consuming", run["consuming_seconds"], 2.0, False))
        if run and client in alone:
            share = run["records_per_second"] / alone[client]["records_per_second"]
            found.append(Promise(f"{client}: speed / only consuming", share, 0.75, True))
    for row in document.get("freshness", []):
        if row["rate"] == 2_000:
            found.append(Promise(f"{row['client']}: p95 seconds to readable at 2,000/s", row["p95"], 1.5, False))
    if "commits" in document:
        found.append(Promise("last / first hundred of 10,000 commits", document["commits"]["ratio"], 1.5, False))
    for run in document.get("memory", []):
        found.append(Promise(f"{run['client']}: peak MiB over 20M records", run["peak_mib"], 600.0, False))
        drift = run["end_mib"] / run["middle_mib"]
        found.append(Promise(f"{run['client']}: memory at the end / in the middle", drift, 1.1, False))
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _plain(section: object) -> Any:
    if isinstance(section, list):
        return [_plain(item) for item in section]
    return asdict(section) if is_dataclass(section) and not isinstance(section, type) else section


def _rounded(value: Any) -> Any:
    """Four significant digits are more than a run can repeat."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
