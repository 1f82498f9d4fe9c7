"""Tell Airflow of commits as they come: an asset event for each stream that moved.

Only a wake-up: whoever it wakes works off what the lake holds, and the sweep finds what was never announced. So
nothing here holds a sink up or ends it.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from datacentre import names
from datacentre.errors import ContractError, DataCentreError
from datacentre.services.airflow_api import Client
from datacentre.services.airflow_environment import passwords_file
from datacentre.services.turns import is_watched
from datacentre.settings import Settings

_EVERY_SECONDS = 1.0
_AGAIN_SECONDS = 5.0
_PAGE = 100
_log = logging.getLogger(__name__)


class Announcer:
    """A thread that posts what it is told, once a second at most for all that has come together."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._changed = threading.Condition()
        self._waiting: set[str] = set()
        self._is_closing = False
        self._is_heard = True
        self._client: Client | None = None
        self._ids: dict[str, int] = {}
        self._thread = threading.Thread(target=self._work, name="announcer", daemon=True)
        self._thread.start()

    def landed(self, streams: Iterable[str]) -> None:
        """Announce that these streams have moved in the lake; returns at once."""
        with self._changed:
            self._waiting |= set(streams)
            self._changed.notify()

    def close(self) -> None:
        """Say what is still to be said, if Airflow hears it, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(_AGAIN_SECONDS)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                streams, self._waiting = self._waiting, set()
            begun = time.monotonic()
            pause = _EVERY_SECONDS if self._announce(streams) else _AGAIN_SECONDS
            with self._changed:
                if self._changed.wait_for(lambda: self._is_closing, pause - (time.monotonic() - begun)):
                    break
        if self._is_heard:
            self._announce(self._waiting)

    def _announce(self, streams: set[str]) -> bool:
        """Whether all were announced; those that were not wait for the next time."""
        if not streams or is_watched(self._settings.run, "check"):  # a check that is going sees by itself what lands
            return True
        if not passwords_file(self._settings).exists():  # this home has no Airflow, or not yet
            with self._changed:
                self._waiting |= streams
            return False
        try:
            client = self._connected()
            known = {stream: self._ids.get(names.landed_asset(stream)) for stream in sorted(streams)}
            for stream, number in known.items():
                if number is not None:
                    client.request("POST", "/assets/events", {"asset_id": number, "extra": {}})
                    streams.remove(stream)
            if streams:
                raise ContractError(f"no DAG knows the asset {', '.join(map(names.landed_asset, sorted(streams)))}")
        except DataCentreError as problem:
            self._client, self._ids = None, {}
            with self._changed:
                self._waiting |= streams
            self._tell(False, f"Airflow isn't told what lands, its sweep will find it: {problem}")
            return False
        self._tell(True, "Airflow is told what lands")
        return True

    def _connected(self) -> Client:
        if self._client is None:
            client = Client(self._settings)
            self._ids = {str(a["uri"]): int(a["id"]) for a in _assets(client)}
            self._client = client
        return self._client

    def _tell(self, is_heard: bool, words: str) -> None:
        """Log a change, not every second of it."""
        if is_heard != self._is_heard:
            self._is_heard = is_heard
            _log.log(logging.INFO if is_heard else logging.WARNING, "%s", words)


def _assets(client: Client) -> Iterator[dict[str, Any]]:
    seen, total = 0, 1
    while seen < total:
        answer = client.get(f"/assets?limit={_PAGE}&offset={seen}")
        seen, total = seen + _PAGE, answer["total_entries"]
        yield from answer["assets"]
