"""Keep polling a database; an outage of database or broker is told once and waited out."""

import time
from collections.abc import Callable
from threading import Event

from connectors.sources.database.pull import DatabaseSource
from connectors.sources.producer import Producer
from datacentre.errors import SourceUnavailable

KEY_SCAN_SECONDS = 24 * 3600.0
"""How often a following source compares keys, when it is asked to."""


def follow(
    source: DatabaseSource,
    connect: Callable[[], Producer],
    every_seconds: float,
    detects_deletes: bool,
    told: Callable[[int], None],
    warned: Callable[[str], None],
    stop: Event,
) -> None:
    """Poll until `stop` is set; after an outage a new producer is taken, and the unacknowledged page sent again.

    `warned` hears of an outage when it begins and when its reason changes.
    """
    producer = connect()
    last_warning = ""
    next_scan = time.monotonic()
    while not stop.is_set():
        try:
            source.poll(producer, told, stop.is_set)
            if detects_deletes and time.monotonic() >= next_scan:
                source.find_vanished(producer, lambda rows: None, stop.is_set)
                next_scan = time.monotonic() + KEY_SCAN_SECONDS
            last_warning = ""
        except SourceUnavailable as problem:
            if str(problem) != last_warning:
                last_warning = str(problem)
                warned(last_warning)
            producer = connect()
        stop.wait(every_seconds)
