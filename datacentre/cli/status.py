"""`status`: the whole centre on one page, once or as a live table; what takes long to import stands inside."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datacentre.cli.console import one_line_errors, out, print_json, print_table, table_of
from datacentre.services.process_table import ProcessState, process_states
from datacentre.settings import Settings, from_environment

if TYPE_CHECKING:
    from datacentre.stages.overview import Observer, Overview, StreamState

_EVERY_SECONDS = 2.0
_SHOWN = 5
_HOUR, _DAY = 3_600, 86_400


@dataclass(frozen=True)
class Seen:
    """The centre at one moment."""

    home: str
    processes: tuple[ProcessState, ...]
    overview: "Overview"


@dataclass(frozen=True)
class _Part:
    """A table of the page."""

    title: str
    columns: tuple[str, ...]
    rows: list[list[object]]


@one_line_errors
def status(
    json: Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="look again every 2 s until Ctrl-C")] = False,
) -> None:
    """Processes, and per stream: lag, certified, held, how fresh the marts are; alerts that are open."""
    from datacentre.stages.overview import Observer

    settings = from_environment()
    tell = _tell_json if json else _tell
    with closing(Observer(settings)) as observer:
        if not watch:
            tell(_look(settings, observer))
            return
        with suppress(KeyboardInterrupt):
            if out.is_terminal and not json:
                _watch_live(settings, observer)
            else:
                _repeat(lambda: tell(_look(settings, observer)))


def _look(settings: Settings, observer: "Observer") -> Seen:
    return Seen(str(settings.home), process_states(settings), observer.look())


def _watch_live(settings: Settings, observer: "Observer") -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    def page() -> Group:
        seen = _look(settings, observer)
        tables = [(Text(p.title, "bold"), table_of(p.columns, p.rows)) for p in _parts(seen)]
        # What matters most comes first: a low window cuts the end.
        return Group(*map(Text, _notes(seen)), *(part for table in tables for part in table))

    with Live(console=out, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
        _repeat(lambda: live.update(page(), refresh=True))


def _repeat(act: Callable[[], None]) -> None:
    while True:
        begun = time.monotonic()
        act()
        time.sleep(max(0.0, begun + _EVERY_SECONDS - time.monotonic()))


def _tell(seen: Seen) -> None:
    for part in _parts(seen):
        print_table(part.title, part.columns, part.rows)
    for line in _notes(seen):
        out.print(line, markup=False, highlight=False)


def _tell_json(seen: Seen) -> None:
    """`services` by part: whether all of its processes run; of Kafka, whether the broker answers."""
    services: dict[str, bool] = {}
    for process in seen.processes:
        services[process.part] = services.get(process.part, True) and process.state == "runs"
    services["kafka"] = seen.overview.is_broker_up
    restarts = {p.part: p.restarts for p in seen.processes if p.restarts}
    document: dict[str, Any] = asdict(seen.overview)
    print_json({"home": seen.home, "services": services, "restarts": restarts, "processes": seen.processes, **document})


def _parts(seen: Seen) -> Iterator[_Part]:
    yield _Part(
        "Streams in records (offsets); ages in the marts, p50 / p95 of the last new rows",
        (
            "stream",
            "topic end",
            "landed",
            "lag",
            "certified",
            "held",
            "from broker",
            "promised",
            "from event",
            "seen (UTC)",
            "",
        ),
        [_stream_row(stream) for stream in seen.overview.streams],
    )
    if held := seen.overview.held:
        rows: list[list[object]] = [[c.id, c.stream, str(c.range), _instant(c.created_at), c.reason] for c in held]
        yield _Part(f"Held: {len(held)}", ("number", "stream", "offsets", "since (UTC)", "reason"), rows[:_SHOWN])
    if alerts := seen.overview.alerts:
        rows = [[a.kind, a.stream, _instant(a.raised_at), a.text] for a in alerts]
        yield _Part(f"Open alerts: {len(alerts)}", ("kind", "stream", "since (UTC)", "what"), rows[:_SHOWN])
    yield _Part(
        f"Processes of {seen.home}",
        ("process", "state", "pid", "since (UTC)", "started again"),
        [[p.name, p.state, str(p.pid or ""), _instant(p.since), p.restarts] for p in seen.processes],
    )


def _stream_row(stream: "StreamState") -> list[object]:
    fresh = stream.freshness
    counts: list[object] = [stream.topic_end, stream.landed, stream.lag, stream.certified, stream.held]
    ages = [
        fresh and _ages(fresh.produced_p50, fresh.produced_p95),
        f"{stream.promised_seconds} s",
        fresh and _ages(fresh.event_p50, fresh.event_p95),
        fresh and _instant(fresh.published_at),
    ]
    return [stream.stream, *counts, *ages, "stopped" if stream.stopped_at else "late" if stream.is_late else ""]


def _ages(p50: float | None, p95: float | None) -> str | None:
    return None if p50 is None or p95 is None else f"{_age(p50)} / {_age(p95)}"


def _age(seconds: float) -> str:
    if abs(seconds) < _HOUR:
        return f"{seconds:.1f} s"
    return f"{seconds / _HOUR:.1f} h" if abs(seconds) < _DAY else f"{seconds / _DAY:.0f} d"


def _instant(at: datetime | None) -> str:
    return f"{at:%m-%d %H:%M:%S}" if at else ""


def _notes(seen: Seen) -> Iterator[str]:
    marts, newest = seen.overview.marts, seen.overview.newest_certificate
    if marts:
        yield f"marts: {marts.version} of {_instant(marts.published_at)}, up to certificate {marts.last_certificate}"
    elif not seen.overview.problems:
        yield "marts: nothing published yet"
    yield f"newest certificate: {newest or 'none'}; looked at {seen.overview.at:%F %T} UTC"
    yield f"disk: {seen.overview.free_bytes // 2**20:,} MiB free"
    for stream in seen.overview.streams:
        if stream.stopped_at:
            yield f"{stream.stream} is stopped since {stream.stopped_at}: datacentre resume {stream.stream}"
    if seen.overview.held:
        yield "held increments: datacentre hold list"
    if seen.overview.alerts:
        yield "alerts: datacentre alerts"
    yield from seen.overview.problems
