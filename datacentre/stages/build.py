"""Build the marts with dbt from what is certified, then publish them."""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from datacentre.contracts import Contract, load_contracts
from datacentre.control.certificates import certified_by_stream, newest_decision
from datacentre.control.freshness import Freshness, store_freshness
from datacentre.control.identity import newest_event
from datacentre.control.outcomes import recent
from datacentre.control.published import LAST_CERTIFICATE, last_certificate
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.settings import Settings
from datacentre.stages.alerting import LATE, alarm
from datacentre.stages.freshness import measure
from datacentre.stages.outcome import Outcome, store
from datacentre.stages.registry import keep_registry
from lake.asked_rows import forget_asked_records
from lake.certified_rows import certified_file, follow_certificates, forget_lost_rows, has_lost_rows
from lake.marts import discard, follow_persons, only_writer, pin, prepare, publish, work_file
from lake.snapshot import snapshot

LAKE_VERSIONS = "lake_versions"
"""In the detail of a build's outcome: by stream, the version of its landed table that the marts are pinned to."""
_DECISION = "decision"
_IDENTITY = "identity"
_REGISTRY = "registry"


def build(settings: Settings, with_registry: bool = True, takes_registry: bool = True) -> Outcome:
    """Run dbt over the certified ranges and swap the published version.

    With the registry it follows them first. Otherwise it stays, and the models made of it are built where they are to
    take in what it found before.

    Raises CheckFailed naming the model or test that failed, SourceUnavailable while another build
    runs; the version published before stays.
    """
    started = time.monotonic()
    contracts = load_contracts(settings.schemas)
    with opened(settings.control_url) as control, only_writer(settings.marts):
        # Certificates first: files that are read afterwards hold at least what they cover.
        decision = newest_decision(control)
        certified = certified_by_stream(control, contracts)
        follow_certificates(certified_file(settings.marts), settings.lake, contracts, certified)
        if with_registry:
            keep_registry(settings, control, contracts)
        nodes, identity = _run_models(settings, contracts, control, with_registry or takes_registry)
        snapshots = {key: snapshot(settings.lake, contract, "landed") for key, contract in contracts.items()}
        pin(work_file(settings.marts), contracts, snapshots, certified)
        version = publish(settings.marts)
        published_at, above = datetime.now(UTC), last_certificate(control)
        shown = list(measure(settings, contracts, certified, above, version.name, published_at))
        store_freshness(control, shown)
        last = max((r.certificate_id for c in certified.values() for r in c), default=0)
        outcome = Outcome(
            stage="build",
            stream="marts",
            interval=f"certificates to {last}",
            rows_in=sum(r.next_offset - r.start_offset for c in certified.values() for r in c),
            rows_out=0,
            rows_quarantined=0,
            seconds=time.monotonic() - started,
            detail={
                "published": version.name,
                "nodes": nodes,
                LAST_CERTIFICATE: last,
                _DECISION: decision,
                _IDENTITY: identity,
                _REGISTRY: with_registry,
                LAKE_VERSIONS: {key: pinned.version for key, pinned in snapshots.items()},
                "late": _late(settings, control, contracts, shown),
            },
        )
        store(control, outcome)
    return outcome


def is_built_to(settings: Settings, control: sa.Engine, decision: int, with_registry: bool = True) -> bool:
    """Whether the marts were published from this decision or a later one, and from the newest event of identity, by the
    models that there are now; and, if that matters, after the registry had followed."""
    last = recent(control, "build", "marts", limit=1)
    built = last[0].detail if last else {}
    is_published = int(built.get(_DECISION, -1)) >= decision and int(built.get(_IDENTITY, 0)) >= newest_event(control)
    is_published &= not with_registry or bool(built.get(_REGISTRY, True))
    return is_published and _built_from(settings) == _fingerprint(settings)


def build_anew(settings: Settings) -> None:
    """Have the next build start from nothing, also where no certificate is new."""
    _remembered(settings).unlink(missing_ok=True)


def _late(
    settings: Settings, control: sa.Engine, contracts: Mapping[str, Contract], shown: Iterable[Freshness]
) -> dict[str, float]:
    """Streams of whose new rows one in twenty came later than the contract promises, with that age in seconds.

    An alert each; a sweep ends it, for other rows may be waiting still.
    """
    late: dict[str, float] = {}
    for found in shown:
        age, promised = found.produced_p95, contracts[found.stream].freshness_seconds
        if age > promised:
            late[found.stream] = round(age, 1)
            text = f"new rows came into the marts after {age:.0f} s (p95), promised {promised}"
            alarm(settings, control, LATE, found.stream, text)
    return late


def _run_models(
    settings: Settings, contracts: Mapping[str, Contract], control: sa.Engine, takes_registry: bool
) -> tuple[int, int]:
    """Build incrementally; from an empty file where models or reference data aren't those of the last build, or where
    rows are gone that no certificate tells of.

    Returns how many nodes ran, and the number of the newest event of identity behind them.
    """
    inputs, work, copy = _fingerprint(settings), work_file(settings.marts), certified_file(settings.marts)
    is_lost = has_lost_rows(copy)
    is_base = _built_from(settings) == inputs and not is_lost
    _remembered(settings).unlink(missing_ok=True)  # a build that fails half way is not a base for an increment
    if not is_base:
        discard(work)
    prepare(work, copy, contracts, settings.reference)
    identity = follow_persons(work, control)
    selector = "increment" if takes_registry else "increment_without_registry"
    extent = ["--selector", selector] if is_base else ["--full-refresh"]
    nodes = run_dbt(settings, ["build", "--exclude-resource-type", "unit_test", *extent])
    forget_asked_records(copy)
    if is_lost:
        forget_lost_rows(copy)
    _remembered(settings).write_text(inputs)
    return nodes, identity


def _built_from(settings: Settings) -> str | None:
    """The fingerprint of the models behind the working file; None where it can't be built on."""
    try:
        return _remembered(settings).read_text()
    except FileNotFoundError:
        return None


def _remembered(settings: Settings) -> Path:
    return settings.marts / "built_from"


def _fingerprint(settings: Settings) -> str:
    """SHA-256 over the dbt project and the reference lists: no certificate announces a change of theirs."""
    digest = hashlib.sha256()
    folders = (settings.dbt_project / "models", settings.dbt_project / "macros", settings.reference)
    for file in sorted(f for folder in folders for f in folder.rglob("*") if f.is_file()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def run_dbt(settings: Settings, arguments: Sequence[str]) -> int:
    """Run dbt inside this process; returns the number of nodes it ran.

    Without its JSON and log files, which nobody reads: they are a sixth of a build that has little to do.
    """
    from dbt.cli.main import dbtRunner

    os.environ["DATACENTRE_MARTS_FILE"] = str(work_file(settings.marts))
    os.environ["DATACENTRE_CERTIFIED_FILE"] = str(certified_file(settings.marts))
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    project = str(settings.dbt_project)
    places = ["--project-dir", project, "--profiles-dir", project]
    places += ["--target-path", str(settings.home / "dbt" / "target"), "--log-path", str(settings.home / "dbt")]
    result = dbtRunner().invoke(["--quiet", "--no-write-json", "--log-level-file", "none", *arguments, *places])
    _release_database()
    nodes: Iterable[Any] = getattr(result.result, "results", None) or []
    failed = [_failure(r) for r in nodes if str(r.status) in ("error", "fail")]
    if not result.success or failed:
        raise CheckFailed(f"dbt: {'; '.join(failed) or ' '.join(str(result.exception).split())[:500]}")
    return len(list(nodes))


def _failure(result: Any) -> str:
    """File, node and message; of a source that is stale, its newest record."""
    message = result.message or f"its newest record is of {getattr(result, 'max_loaded_at', 'no known time')}"
    return f"{result.node.original_file_path}: {result.node.name}: {' '.join(str(message).split())[:300]}"


def _release_database() -> None:
    """dbt-duckdb keeps the file open in its process; what isn't closed isn't all in the file yet."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager._ENV = None
