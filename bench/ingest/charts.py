"""The charts in docs/bench, drawn from the figures in ingest.json."""

from bench.ingest.report import FOLDER, Document
from bench.ingest.svg import OTHERS, OURS, OURS_LIGHT, Bar, Line, bars, lines

_COLOURS = {"librdkafka": OURS, "kafka-python": OURS_LIGHT}


def draw(document: Document) -> list[str]:
    """Write every chart whose figures are there; returns the file names."""
    drawn = {
        "speed.svg": _speed(document),
        "cpu.svg": _cpu(document),
        "freshness.svg": _freshness(document),
        "commits.svg": _commits(document),
        "memory.svg": _memory(document),
    }
    written = {name: text for name, text in drawn.items() if text}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (FOLDER / name).write_text(text)
    return list(written)


def _machine(document: Document) -> str:
    machine = document["machine"]
    return f"{machine['cores']} cores shared with the broker, {machine['memory_gib']:.0f} GiB"


def _engines(document: Document, figure: str, sink_figure: str) -> list[tuple[str, float, str]]:
    """Label, value and colour by engine: ours on the whole box, Spark cold and warm, Connect."""
    rows = [
        (f"sink, {run['client']}", run[sink_figure], _COLOURS[run["client"]])
        for run in document.get("ours", [])
        if run["processes"] == 2
    ]
    for form in ("delta", "parquet"):
        runs = [run for run in document.get("spark", []) if run["format"] == form]
        if runs:
            rows.append((f"Spark into {form.title()}, warm", runs[-1][figure], OTHERS))
        if runs and form == "delta":
            rows.append(("Spark into Delta, cold", runs[0][figure], OTHERS))
    if document.get("connect"):
        rows.append(("Kafka Connect, Iceberg sink", document["connect"][figure], OTHERS))
    return rows


def _speed(document: Document) -> str:
    rows = _engines(document, "records_per_second", "records_per_second")
    note = f"hospital visit records a second, more is better; {_machine(document)}"
    return (
        ""
        if not rows
        else bars(
            "From Kafka into the lake", note, [Bar(label, v, f"{v / 1000:,.0f}k", colour) for label, v, colour in rows]
        )
    )


def _cpu(document: Document) -> str:
    rows = _engines(document, "cpu_seconds_per_million", "steady_cpu_seconds_per_million")
    note = "CPU seconds for a million records, less is better; broker not counted"
    return (
        ""
        if not rows
        else bars("What it costs", note, [Bar(label, v, f"{v:.1f} s", colour) for label, v, colour in rows])
    )


def _freshness(document: Document) -> str:
    rows = [
        Bar(f"{row['client']}, {row['rate']:,}/s, {name}", row[name], f"{row[name]:.2f} s", _COLOURS[row["client"]])
        for row in sorted(document.get("freshness", []), key=lambda row: row["rate"])
        for name in ("p50", "p95", "p99")
    ]
    note = f"seconds from the broker to a readable row, over all eight streams, one sink; {_machine(document)}"
    return "" if not rows else bars("How soon a row can be read", note, rows, (1.5, "1.5 s"))


def _commits(document: Document) -> str:
    if "commits" not in document:
        return ""
    found = document["commits"]
    points = [((n + 1) * 100.0, ms) for n, ms in enumerate(found["median_ms"])]
    limit = (found["first_hundred_ms"] * 1.5, "1.5 times the first hundred")
    return lines(
        "A commit costs the same after thousands of them",
        "median milliseconds over each hundred commits; upkeep beside them",
        [Line("vault, quarantine and landed", points, OURS)],
        "commits",
        "ms",
        limit,
    )


def _memory(document: Document) -> str:
    courses = [
        Line(f"{run['client']}, {run['records'] / 1e6:.0f} million records", run["rss_mib"], _COLOURS[run["client"]])
        for run in document.get("memory", [])
    ]
    note = "resident memory of one sink process that catches up"
    return (
        ""
        if not courses
        else lines("Memory while catching up", note, courses, "seconds since the start", "MiB", (600, "600 MiB"))
    )
