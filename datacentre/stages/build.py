"""Build the marts with dbt from what is certified, then publish them."""

import os
import time
from collections.abc import Sequence

from datacentre.contracts import load_contracts
from datacentre.control.certificates import certified_ranges
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.settings import Settings
from datacentre.stages.outcome import Outcome
from lake.marts import prepare, publish, work_file
from lake.snapshot import snapshot


def build(settings: Settings) -> Outcome:
    """Run dbt over the certified ranges and swap the published version.

    Raises CheckFailed naming the model or test that failed; the version published before stays.
    """
    started = time.monotonic()
    contracts = load_contracts(settings.schemas)
    snapshots = {key: snapshot(settings.lake, contract, "landed") for key, contract in contracts.items()}
    with opened(settings.control_url) as store:
        certified = {key: certified_ranges(store, key) for key in contracts}
    file = work_file(settings.marts)
    prepare(file, contracts, snapshots, certified, settings.reference)
    nodes = run_dbt(settings, ["build", "--exclude-resource-type", "unit_test"])
    version = publish(settings.marts)
    return Outcome(
        stage="build",
        stream="marts",
        interval=f"certificates to {max((r.certificate_id for c in certified.values() for r in c), default=0)}",
        rows_in=sum(r.next_offset - r.start_offset for c in certified.values() for r in c),
        rows_out=0,
        rows_quarantined=0,
        seconds=time.monotonic() - started,
        detail={"published": version.name, "nodes": nodes},
    )


def run_dbt(settings: Settings, arguments: Sequence[str]) -> int:
    """Run dbt inside this process; returns the number of nodes it ran."""
    from dbt.cli.main import dbtRunner

    os.environ["DATACENTRE_MARTS_FILE"] = str(work_file(settings.marts))
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    project = str(settings.dbt_project)
    places = ["--project-dir", project, "--profiles-dir", project]
    outputs = [
        "--target-path",
        str(settings.home / "dbt" / "target"),
        "--log-path",
        str(settings.home / "dbt"),
    ]
    result = dbtRunner().invoke(["--quiet", *arguments, *places, *outputs])
    _release_database()
    failed = [
        f"{r.node.original_file_path}: {' '.join(str(r.message).split())[:300]}"
        for r in getattr(result.result, "results", None) or []
        if str(r.status) in ("error", "fail")
    ]
    if not result.success or failed:
        raise CheckFailed(f"dbt: {'; '.join(failed) or ' '.join(str(result.exception).split())[:500]}")
    return len(getattr(result.result, "results", None) or [])


def _release_database() -> None:
    """dbt-duckdb keeps the file open in its process; what isn't closed isn't all in the file yet."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager._ENV = None
