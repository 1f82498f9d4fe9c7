"""`python -m bench.soak`: a steady load on the whole centre; in the second half each process is killed in turn."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from bench.ingest.svg import OTHERS, OURS, OURS_LIGHT, Line, lines
from bench.soak import centre
from bench.soak.ages import Ages, measure
from bench.soak.watch import Sample, Watch
from connectors.sources.producer import LibrdkafkaProducer
from connectors.sources.simulation import DefectShares, generate, simulate
from datacentre.cli.console import one_line_errors, out, print_table
from datacentre.cli.ingest import print_reports
from datacentre.contracts import Contract, load_contracts
from datacentre.control.certificates import certified_by_stream, held, pending
from datacentre.control.outcomes import recent
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.services.restarts import restarts as restarts_of
from datacentre.settings import REPOSITORY, Settings
from datacentre.stages.verify import require_agreement, verify
from lake.positions import landed_positions

FOLDER = REPOSITORY / "docs" / "bench"
_DEFECTS = DefectShares.spread(0.02, duplicate=0.005, late=0.01, correction=0.003, deletion=0.002)
_SETTLE_SECONDS, _IDLE_SECONDS, _DRAIN_SECONDS = 30.0, 30.0, 180.0


@one_line_errors
def soak(
    minutes: Annotated[float, typer.Option(min=0.5, help="how long the load lasts")] = 10.0,
    rate: Annotated[int, typer.Option(min=1, help="events a second over all streams")] = 500,
    home: Annotated[Path, typer.Option(help="emptied first")] = Path("var/soak"),
) -> None:
    """Prints ages, memory, lag, kills and the reconciliation; keeps them in docs/bench/soak.json with a chart.

    Fails when a process stays dead, a record is lost or doubled, or is not in the marts in the end.
    """
    with centre.running(home.resolve()) as settings:
        contracts = load_contracts(settings.schemas)
        watch = Watch(settings, contracts)
        time.sleep(_SETTLE_SECONDS + _IDLE_SECONDS)
        begun, began = time.time(), watch.now
        sender = _sender(settings, contracts, int(rate * minutes * 60), rate)
        half = minutes * 30
        time.sleep(half)
        kills = _kill_each(settings, watch, half)
        sender.join()
        drained = _wait_until_built(settings, contracts, watch)
        samples = watch.close()
        found = {
            "undisturbed": measure(settings, contracts, begun, begun + half),
            "with kills": measure(settings, contracts, begun + half, time.time()),
        }
        restarts = dict(restarts_of(settings.run))
        reports = verify(settings)
        with opened(settings.control_url) as store:
            waiting = held(store)
    _tell(found, samples, began, began + minutes * 60, kills, restarts, drained)
    print_reports(reports)
    _keep(found, samples, began, kills, restarts, {"minutes": minutes, "rate": rate})
    require_agreement(reports)
    if waiting:
        raise CheckFailed(f"{len(waiting)} increments are held, the first: {waiting[0].stream} {waiting[0].reason}")


def _sender(settings: Settings, contracts: Mapping[str, Contract], records: int, rate: int) -> threading.Thread:
    made = generate(contracts, settings.reference, 2026, records + records // 10, datetime.now(UTC), _DEFECTS)
    events = list(islice(made, records))
    producer = LibrdkafkaProducer(settings.bootstrap_servers)
    sender = threading.Thread(target=simulate, args=(events, producer, float(rate), lambda sent: None))
    sender.start()
    return sender


def _kill_each(settings: Settings, watch: Watch, seconds: float) -> list[dict[str, object]]:
    """Kill one process after another, spread over the time; returns when, which, and seconds until it lived again."""
    names = [*centre.processes(settings)]
    kills: list[dict[str, object]] = []
    started = time.monotonic()
    for turn, name in enumerate(names):
        time.sleep(max(0.0, started + turn * seconds / len(names) - time.monotonic()))
        kills.append({"at": watch.now, "process": name, "healed_seconds": centre.kill(settings, name)})
    time.sleep(max(0.0, started + seconds - time.monotonic()))
    return kills


def _wait_until_built(settings: Settings, contracts: Mapping[str, Contract], watch: Watch) -> float:
    """Seconds until all that was sent is in a published version of the marts."""
    started = time.monotonic()
    while time.monotonic() - started < _DRAIN_SECONDS:
        time.sleep(2)
        if watch.samples[-1].lag == 0 and _is_built(settings, contracts):
            return time.monotonic() - started
    raise CheckFailed(f"{_DRAIN_SECONDS:.0f} s after the last event not everything is in the marts")


def _is_built(settings: Settings, contracts: Mapping[str, Contract]) -> bool:
    with opened(settings.control_url) as store:
        if any(pending(store, key, landed_positions(settings.lake, c)) for key, c in contracts.items()):
            return False
        last = max((r.certificate_id for rs in certified_by_stream(store, contracts).values() for r in rs), default=0)
        builds = recent(store, "build", "marts", limit=1)
    return bool(builds) and int(builds[0].detail["last_certificate"]) >= last


def _tell(
    found: Mapping[str, list[Ages]],
    samples: list[Sample],
    began: float,
    ended: float,
    kills: list[dict[str, object]],
    restarts: Mapping[str, int],
    drained: float,
) -> None:
    for half, ages in found.items():
        rows = [[a.stream, a.rows, *(round(v, 2) for v in list(asdict(a).values())[2:])] for a in ages]
        heads = ["stream", "rows", "lake p50", "lake p95", "marts p50", "marts p95"]
        print_table(f"Seconds from the broker to the lake and to the certified marts, {half}", heads, rows)
    idle = [s for s in samples if began - _IDLE_SECONDS <= s.at < began]
    loaded = [s for s in samples if began <= s.at < ended]
    rows = [
        [when, round(_cores(part), 2), round(max(s.all_mib for s in part)), max(s.lag or 0 for s in part)]
        for when, part in (("idle", idle), ("loaded", loaded))
    ]
    print_table("The whole centre", ["", "cores", "peak MiB (PSS)", "most lag"], rows)
    print_table(
        "Killed with SIGKILL",
        ["process", "at s", "lived again after s"],
        [[k["process"], round(float(str(k["at"]))), round(float(str(k["healed_seconds"])), 1)] for k in kills],
    )
    out.print(f"started again: {restarts}; the last event was in the marts {drained:.0f} s after it was sent")


def _cores(part: list[Sample]) -> float:
    return (part[-1].cpu_seconds - part[0].cpu_seconds) / (part[-1].at - part[0].at)


def _keep(
    found: Mapping[str, list[Ages]],
    samples: list[Sample],
    began: float,
    kills: list[dict[str, object]],
    restarts: Mapping[str, int],
    given: Mapping[str, float],
) -> None:
    document = {
        **given,
        "taken": datetime.now(UTC).isoformat(timespec="minutes"),
        "ages": {half: [asdict(a) for a in ages] for half, ages in found.items()},
        "kills": kills,
        "restarts": restarts,
        "samples": [
            {"at": s.at - began, "mib": s.all_mib, "cpu_seconds": s.cpu_seconds, "lag": s.lag} for s in samples
        ],
    }
    rounded = json.loads(json.dumps(document), parse_float=lambda text: float(f"{float(text):.4g}"))
    (FOLDER / "soak.json").write_text(json.dumps(rounded, indent=1) + "\n")
    parts = (("scheduler and its tasks", "airflow-scheduler", OURS), ("sink", "sink", OURS_LIGHT))
    courses = [Line("all", [(s.at, s.all_mib) for s in samples], OTHERS)]
    courses += [Line(label, [(s.at, s.mib.get(name, 0.0)) for s in samples], colour) for label, name, colour in parts]
    note = f"{given['rate']} events/s from {began:.0f} s on; each process killed once in the second half"
    (FOLDER / "soak.svg").write_text(
        lines("Memory of the whole centre", note, courses, "seconds since it was up", "MiB (PSS)")
    )


if __name__ == "__main__":
    typer.run(soak)
