"""What the gateway counts, for Prometheus; labels are streams, rules and routes, never a value of a record."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from connectors.sources.gateway.in_flight import InFlight

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One registry per gateway, so that several can live in one process."""

    def __init__(self, in_flight: InFlight):
        self._registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered", "method", "route", "status")
        self.accepted = self._counter("records_accepted", "Records that Kafka acknowledged", "stream")
        self.deleted = self._counter("deletions_accepted", "Deletions that Kafka acknowledged", "stream")
        self.refused = self._counter("records_refused", "Records refused, once for each rule broken", "stream", "rule")
        self.ack_seconds = self._histogram("ack_seconds", "From handing over to Kafka to its acknowledgement")
        self.check_seconds = self._histogram("check_seconds", "Row check of a request, waiting included")
        self._gauge("in_flight_records", "Records held").set_function(lambda: in_flight.records)
        self._gauge("in_flight_bytes", "Bytes of bodies held").set_function(lambda: in_flight.bytes)

    def count(self, method: str, route: str, status: int) -> None:
        """A request that was answered."""
        self.requests.labels(method, route, status).inc()

    def text(self) -> bytes:
        """The text format that Prometheus reads."""
        return generate_latest(self._registry)

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"datacentre_gateway_{name}", told, labels, registry=self._registry)

    def _gauge(self, name: str, told: str) -> Gauge:
        return Gauge(f"datacentre_gateway_{name}", told, registry=self._registry)

    def _histogram(self, name: str, told: str) -> Histogram:
        return Histogram(f"datacentre_gateway_{name}", told, registry=self._registry, buckets=_SECONDS)
