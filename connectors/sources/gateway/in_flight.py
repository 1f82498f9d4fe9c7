"""Back-pressure: how much the gateway holds between reading a request and Kafka's acknowledgement."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from datacentre.web.problem import Problem

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What one request may hold, and what all that are being worked on may hold together."""

    body_bytes: int = 10 * _MIB
    body_records: int = 10_000
    in_flight_bytes: int = 32 * _MIB
    in_flight_records: int = 50_000
    body_seconds: float = 30.0


class InFlight:
    """Counts what is held; used by one event loop, so that nothing is counted half."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.bytes = 0
        self.records = 0

    @contextmanager
    def admitted(self) -> Iterator["Share"]:
        """Hold one request, which counts as one record until its own are known; let go of all at the end.

        Raises Problem (429) when there is no room, as do the methods of the share.
        """
        share = Share(self)
        try:
            share.hold(records=1)
            yield share
        finally:
            self.bytes -= share.bytes
            self.records -= share.records


class Share:
    """What one request holds."""

    def __init__(self, whole: InFlight):
        self._whole = whole
        self.bytes = 0
        self.records = 0

    def hold(self, *, size: int = 0, records: int = 0) -> None:
        """Make sure that the request holds at least so many bytes and records."""
        more_bytes, more_records = max(0, size - self.bytes), max(0, records - self.records)
        whole, limits = self._whole, self._whole.limits
        if whole.bytes + more_bytes > limits.in_flight_bytes or whole.records + more_records > limits.in_flight_records:
            raise Problem(
                429, "busy", "the gateway holds all it can; send the same request again", {"Retry-After": "1"}
            )
        self.bytes += more_bytes
        self.records += more_records
        whole.bytes += more_bytes
        whole.records += more_records
