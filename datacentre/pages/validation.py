"""The pages of what was validated: an index, one page per stream, one per held increment.

They show rules, counts, times and offsets; no value of a record ever comes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from datacentre.control.certificates import Certificate
from datacentre.control.validation_summary import Summary
from datacentre.control.validations import Demand, KeptValidation
from datacentre.pages.bars import bars


@dataclass(frozen=True)
class Held:
    """A held increment; its validation is None where it is older than what is kept."""

    certificate: Certificate
    kept: KeptValidation | None


@dataclass(frozen=True)
class ExpectationRecord:
    """One expectation: what it demands, its sum of seven days and of all days shown, how often it failed on each."""

    demand: Demand
    week: Summary
    shown: Summary
    failed_by_day: tuple[int, ...]


@dataclass(frozen=True)
class StreamRecord:
    """One stream. `day`, `week` and `shown` are sums over its increments: of 24 hours, of seven days, and of all days
    shown. `held_count` may be more than are listed in `held`, newest first."""

    key: str
    title: str
    day: Summary
    week: Summary
    shown: Summary
    held_by_hour: tuple[int, ...]
    held_by_day: tuple[int, ...]
    expectations: tuple[ExpectationRecord, ...]
    held_count: int
    held: tuple[Held, ...]


@dataclass(frozen=True)
class Record:
    """What all pages show. The hours and days of every row of counts begin at these times, oldest first."""

    streams: tuple[StreamRecord, ...]
    hours: tuple[datetime, ...]
    days: tuple[datetime, ...]


def validation_pages(record: Record, drawn_at: datetime) -> dict[str, str]:
    """HTML by file name."""
    common = {"drawn_at": drawn_at, "days": len(record.days)}
    hours, days = [f"{h:%H:%M}" for h in record.hours], [f"{d:%F}" for d in record.days]
    pages = {"index.html": _page("index", streams=record.streams, **common)}
    for stream in record.streams:
        pages[stream_page(stream.key)] = _page(
            "stream", stream=stream, hour_names=hours, day_names=days, expectations=_failing_first(stream), **common
        )
        demands = {e.demand.expectation: e.demand for e in stream.expectations}
        for held in stream.held:
            pages[increment_page(held.certificate.id)] = _page(
                "increment", stream=stream, held=held, demands=demands, **common
            )
    return pages


def stream_page(key: str) -> str:
    return f"{key}.html"


def increment_page(certificate_id: int) -> str:
    return f"increment-{certificate_id}.html"


def _failing_first(stream: StreamRecord) -> Sequence[ExpectationRecord]:
    return sorted(stream.expectations, key=lambda e: e.shown.failed == 0)


def _page(template: str, **shown: object) -> str:
    return _environment().get_template(f"validation/{template}.html").render(shown)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(bars=bars, stream_page=stream_page, increment_page=increment_page)
    environment.filters.update(instant=_instant, share=_share)
    return environment


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%F %H:%M:%S}"


def _share(sum_of: Summary) -> str:
    """Of increments that passed; cut off, so that 100 % says that all did."""
    if not sum_of.asked:
        return "no increment"
    passed = sum_of.asked - sum_of.failed
    return f"{1000 * passed // sum_of.asked / 10:g} % of {sum_of.asked:,}"
