"""`python -m bench.serve`: how fast lookups are answered, and how fast a mart is read by Arrow."""

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from bench.serve.lookups import Lookups
from bench.serve.world import MART, PURPOSE, make_key, write_persons, write_release
from datacentre.cli.console import one_line_errors, out
from datacentre.settings import REPOSITORY
from sharing.access_log.verification import verify

_FILE = REPOSITORY / "docs" / "bench" / "serve.json"
_RATE = 100


@one_line_errors
def serve_bench(
    persons: Annotated[int, typer.Option(min=1_000)] = 800_000,
    rows: Annotated[int, typer.Option(min=1_000)] = 2_000_000,
    seconds: Annotated[float, typer.Option(min=1)] = 60,
    pairs: Annotated[int, typer.Option(min=1, help="times that the mart is read either way, in turns")] = 9,
    port: Annotated[int, typer.Option(min=1024)] = 18_395,
    home: Annotated[Path, typer.Option(help="emptied first")] = Path("var/serve-bench"),
) -> None:
    """Prints both figures and keeps them in docs/bench/serve.json. Nothing fails on a slow machine."""
    home = home.resolve()
    shutil.rmtree(home, ignore_errors=True)
    begun = time.monotonic()
    write_persons(home, persons)
    file, key = write_release(home, rows), make_key(home)
    out.print(f"{persons:,} persons and {rows:,} rows are written in {time.monotonic() - begun:.0f} s")
    with _service(home, port):
        lookups = Lookups(port, key, persons)
        lookups.milliseconds(_RATE, 3)
        found = sorted(lookups.milliseconds(_RATE, seconds))
        arrow = _arrow(file, port, key, pairs)
    logged = verify(home).entries
    document = {
        "taken": datetime.now(UTC).isoformat(timespec="minutes"),
        "lookups": {
            "persons": persons,
            "per_second": _RATE,
            "count": len(found),
            "milliseconds": {f"p{p}": round(_quantile(found, p), 2) for p in (50, 95, 99, 99.9)},
            "promised_p99": 15,
        },
        "arrow": arrow | {"rows": rows, "bytes_of_file": file.stat().st_size, "promised_ratio": 0.5},
        "entries_of_the_access_log": logged,
        "load_of_the_machine_before": round(os.getloadavg()[2], 2),
    }
    _FILE.write_text(json.dumps(document, indent=1) + "\n")
    out.print_json(data=document)


def _arrow(file: Path, port: int, key: str, pairs: int) -> dict[str, Any]:
    """Rows per second by HTTP and in process, by turns; the ratio is the median of the pairs' ratios."""
    http_rates, own_rates = [], []
    for _ in range(pairs):
        started = time.perf_counter()
        own = pq.read_table(file)
        between = time.perf_counter()
        fetched = _fetched(port, key)
        ended = time.perf_counter()
        if not fetched.equals(own):
            raise RuntimeError("what came by HTTP isn't what the file holds")
        own_rates.append(own.num_rows / (between - started))
        http_rates.append(fetched.num_rows / (ended - between))
        del own, fetched
    ratios = [one / other for one, other in zip(http_rates, own_rates, strict=True)]
    return {
        "http_rows_per_second": round(statistics.median(http_rates)),
        "in_process_rows_per_second": round(statistics.median(own_rates)),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def _fetched(port: int, key: str) -> pa.Table:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {key}", "X-Purpose": PURPOSE}
    connection.request("GET", f"/v1/marts/{MART}/rows?format=arrow", headers=headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.read(200)!r}")
    try:
        return pa.ipc.open_stream(answer).read_all()
    finally:
        connection.close()


def _quantile(ordered: list[float], percent: float) -> float:
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


@contextmanager
def _service(home: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "bench.serve.world", str(home), str(port)])
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    typer.run(serve_bench)
