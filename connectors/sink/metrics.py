"""The sink's figures for Prometheus, on loopback."""

from collections.abc import Collection, Mapping

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from connectors.sink.batch import Batch
from connectors.sink.clients.seam import Partition
from connectors.sink.progress import Progress
from datacentre.errors import SourceUnavailable


class SinkMetrics:
    """Shown at `http://127.0.0.1:<port>/metrics`; nothing is served where the port is 0."""

    def __init__(self, port: int):
        """Raises SourceUnavailable when the port is taken."""
        self._registry = registry = CollectorRegistry()
        self._landed = Gauge("datacentre_sink_landed_rows", "Rows landed by this sink", ["stream"], registry=registry)
        self._quarantined = Gauge(
            "datacentre_sink_quarantined_rows", "Rows quarantined by this sink", ["stream"], registry=registry
        )
        self._bytes = Gauge(
            "datacentre_sink_bytes", "Bytes of keys and values committed", ["stream"], registry=registry
        )
        self._flushes = Gauge("datacentre_sink_flushes", "Batches handed to a commit", ["reason"], registry=registry)
        self._commits = Gauge("datacentre_sink_commits", "Batches committed", registry=registry)
        self._fenced = Gauge(
            "datacentre_sink_fenced", "Batches thrown away: another writer was first", registry=registry
        )
        self._seconds = Gauge("datacentre_sink_commit_seconds", "Time spent in commits", registry=registry)
        self._lag = Gauge(
            "datacentre_sink_lag_records",
            "Records between lake and topic end",
            ["stream", "partition"],
            registry=registry,
        )
        self._age = Gauge("datacentre_sink_batch_age_seconds", "Age of the open batch", ["stream"], registry=registry)
        self._left_out = Gauge(
            "datacentre_sink_left_out", "1: the stream is stopped or can't be landed", ["stream"], registry=registry
        )
        self._server = None
        if port:
            try:
                self._server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
            except OSError as problem:
                raise SourceUnavailable(
                    f"port {port} for metrics is taken ({problem}); set DATACENTRE_METRICS_PORT"
                ) from None

    def show(
        self,
        progress: Progress,
        lag: Mapping[Partition, int],
        batches: Mapping[str, Batch],
        left_out: Collection[str],
    ) -> None:
        for gauge, counts in (
            (self._landed, progress.landed),
            (self._quarantined, progress.quarantined),
            (self._bytes, progress.size_bytes),
            (self._flushes, progress.flushes),
        ):
            for label, count in counts.items():
                gauge.labels(label).set(count)
        self._commits.set(progress.commits)
        self._fenced.set(progress.fenced)
        self._seconds.set(progress.commit_seconds)
        for (stream, partition), records in lag.items():
            self._lag.labels(stream, str(partition)).set(records)
        for stream, batch in batches.items():
            self._age.labels(stream).set(batch.age())
        for stream in {*batches, *left_out}:
            self._left_out.labels(stream).set(stream in left_out)

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
