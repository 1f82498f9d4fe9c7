"""Lookups at a fixed rate: each is sent at its own moment, whether the one before is answered or not."""

import http.client
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from bench.serve.world import PURPOSE, cid

_CLIENTS = 16


class Lookups:
    """Answers are waited for by threads that keep their connections; a time counts from when the request was due."""

    def __init__(self, port: int, key: str, persons: int):
        self._port, self._persons = port, persons
        self._headers = {"Authorization": f"Bearer {key}", "X-Purpose": PURPOSE, "Content-Type": "application/json"}
        self._own = threading.local()
        self._chance = random.Random(11)

    def milliseconds(self, per_second: int, seconds: float) -> list[float]:
        """Of every answer, in the order of sending. One number in ten is nobody's."""
        count = int(per_second * seconds)
        numbers = [cid(self._chance.randrange(int(self._persons * 1.11))) for _ in range(count)]
        with ThreadPoolExecutor(_CLIENTS) as clients:
            start = time.perf_counter() + 0.2
            waiting = []
            for place, number in enumerate(numbers):
                due = start + place / per_second
                time.sleep(max(due - time.perf_counter(), 0))
                waiting.append(clients.submit(self._ask, number, due))
            return [answer.result() for answer in waiting]

    def _ask(self, number: str, due: float) -> float:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        body = f'{{"cid": "{number}"}}'
        self._own.connection.request("POST", "/v1/persons/lookup", body, self._headers)
        answer = self._own.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {content[:200]!r}")
        return (time.perf_counter() - due) * 1000
