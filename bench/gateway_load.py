"""Load on a running push gateway: requests, records and waiting times, as its clients see them.

datacentre gateway-key create load --stream dot__departures --days 1
GATEWAY_KEY=dcg_... python -m bench.gateway_load --clients 16 --records 1
"""

import argparse
import http.client
import os
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

from datacentre.settings import REPOSITORY

STREAM = "dot__departures"
LINES = (REPOSITORY / "schemas" / "samples" / f"{STREAM}.jsonl").read_bytes().splitlines()


class Load:
    """Clients that send the same body again and again, each on a connection of its own."""

    def __init__(self, url: str, key: str, records: int):
        self._server = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        self.body = b"\n".join(LINES[n % len(LINES)] for n in range(records))
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []

    def run(self, clients: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._client, args=(end,)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, end: float) -> None:
        connection = http.client.HTTPConnection(self._server, timeout=60)
        while (started := time.monotonic()) < end:
            connection.request("POST", f"/v1/streams/{STREAM}/records", self.body, self._headers)
            answer = connection.getresponse()
            answer.read()
            self.seconds.append(time.monotonic() - started)
            self.statuses[answer.status] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:18090")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--records", type=int, default=1, help="records in a request")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    load = Load(given.url, os.environ["GATEWAY_KEY"], given.records)
    load.run(given.clients, given.seconds)
    taken = load.statuses[202] / given.seconds
    waits = sorted(load.seconds)
    print(
        f"{given.clients} clients x {given.records} records of {len(LINES[0])} bytes: {taken:,.0f} requests/s, "
        f"{taken * given.records:,.0f} records/s, median {1000 * waits[len(waits) // 2]:.0f} ms, "
        f"p99 {1000 * waits[int(len(waits) * 0.99)]:.0f} ms, answers {dict(load.statuses)}"
    )


if __name__ == "__main__":
    main()
