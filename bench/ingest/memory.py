"""Resident memory of one sink process that has twenty million records to catch up on."""

from bench.ingest import records, sinks
from bench.ingest.box import Box
from bench.ingest.consume import CLIENTS

TIMES = 10
"""How often the distinct records are sent: what matters here is how far behind the sink is."""


def measure(box: Box, count: int) -> list[sinks.SinkRun]:
    """One catching-up by each client."""
    records.fill(box, count, TIMES)
    found = [sinks.measure(box, client, 1) for client in CLIENTS]
    box.delete_topics([box.stream.key])
    return found
