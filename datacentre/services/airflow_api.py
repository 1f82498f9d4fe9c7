"""Airflow's REST API: health, pools, and runs that are triggered and waited for."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from datacentre.errors import CheckFailed, ContractError, SourceUnavailable
from datacentre.services.airflow_environment import USER, airflow_home, base_url, password
from datacentre.settings import Settings

_POLL_SECONDS = 0.2
_REQUEST_SECONDS = 60
_AGAIN_SECONDS = 20.0
_ENDED = ("success", "failed")
# A proxy of the environment must not get between two processes of one machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Client:
    """One session with the API: a token, fetched when first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = ""

    def get(self, path: str) -> dict[str, Any]:
        return self.request_again("GET", path)

    def request_again(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call as `request` does, and again while Airflow answers 5xx, for at most 20 s; idempotent calls only.

        All parts write at once when Airflow starts: its metadata database on SQLite is then locked for
        longer than the api-server waits.
        """
        deadline = time.monotonic() + _AGAIN_SECONDS
        while True:
            try:
                return self.request(method, path, body)
            except ServerError as error:
                _pause(deadline, str(error))

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call `/api/v2<path>`; return the JSON object of the answer.

        Raises SourceUnavailable when nothing answers, ContractError when the request is refused.
        """
        if not self._token:
            credentials = {"username": USER, "password": password(self._settings)}
            self._token = str(_call(self._settings, "POST", "/auth/token", credentials, "")["access_token"])
        return _call(self._settings, method, f"/api/v2{path}", body, self._token)


def health(settings: Settings) -> dict[str, str]:
    """State of each part, `healthy` or not: database, scheduler, DAG processor, the API for tasks.

    The first call after a start takes seconds, in which that API is built; without it the first tasks
    would wait and time out. Raises SourceUnavailable when the api-server doesn't answer.
    """
    answer = _call(settings, "GET", "/api/v2/monitor/health", None, "")
    parts = {part: str(answer[part]["status"]) for part in ("metadatabase", "scheduler", "dag_processor")}
    parts["execution_api"] = str(_call(settings, "GET", "/execution/health", None, "")["status"])
    return parts


def trigger(settings: Settings, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
    """Start a run of a DAG with parameters `conf`; return its run id."""
    body = {"logical_date": None, "conf": dict(conf or {})}
    run = Client(settings).request("POST", f"/dags/{quote(dag_id)}/dagRuns", body)
    return str(run["dag_run_id"])


def wait(settings: Settings, dag_id: str, run_id: str, seconds: float = 600) -> None:
    """Return when the run has succeeded.

    Raises CheckFailed with the failed tasks when it has failed, SourceUnavailable when it takes longer
    than `seconds`.
    """
    client = Client(settings)
    path = f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"
    deadline = time.monotonic() + seconds
    while (state := client.get(path)["state"]) not in _ENDED:
        _pause(deadline, f"run {run_id} of {dag_id} is still {state} after {seconds:g} s")
    tasks = client.get(f"{path}/taskInstances")["task_instances"]
    failed = [str(task["task_id"]) for task in tasks if task["state"] == "failed"]
    if state == "failed" or failed:
        log = airflow_home(settings) / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
        raise CheckFailed(f"run {run_id} of {dag_id} failed in {', '.join(failed)}: read {log}")


def settle(settings: Settings, dag_ids: Sequence[str], seconds: float = 600) -> None:
    """Return when the chain of DAGs is at rest: no run of theirs active, no asset event waiting for one.

    `dag_ids` go downstream: a run's events are recorded before it ends, so that what is seen at rest
    in this order stays at rest. Raises SourceUnavailable when it takes longer than `seconds`.
    """
    client = Client(settings)
    deadline = time.monotonic() + seconds
    while not all(_is_at_rest(client, dag_id) for dag_id in dag_ids):
        _pause(deadline, f"{', '.join(dag_ids)} are still at work after {seconds:g} s")


def last_state(settings: Settings, dag_id: str) -> str:
    """State of the DAG's newest run; empty when it has none."""
    runs = Client(settings).get(f"/dags/{quote(dag_id)}/dagRuns?order_by=-run_after&limit=1")["dag_runs"]
    return str(runs[0]["state"]) if runs else ""


def set_pool(client: Client, name: str, slots: int, description: str) -> None:
    """Create the pool or bring it to `slots`."""
    pool = {"name": name, "slots": slots, "description": description, "include_deferred": False}
    action = {"action": "create", "entities": [pool], "action_on_existence": "overwrite"}
    client.request_again("PATCH", "/pools", {"actions": [action]})


def _is_at_rest(client: Client, dag_id: str) -> bool:
    dag = f"/dags/{quote(dag_id)}"
    try:
        if client.get(f"{dag}/assets/queuedEvents")["total_entries"]:
            return False
    except NotFoundError:
        pass
    active = client.get(f"{dag}/dagRuns?state=running&state=queued&limit=1")
    return not active["total_entries"]


def _pause(deadline: float, message: str) -> None:
    if time.monotonic() >= deadline:
        raise SourceUnavailable(message)
    time.sleep(_POLL_SECONDS)


class NotFoundError(ContractError):
    """The API knows no such thing."""


class ServerError(SourceUnavailable):
    """Airflow answers 5xx."""


def _call(settings: Settings, method: str, path: str, body: Mapping[str, Any] | None, token: str) -> dict[str, Any]:
    url = base_url(settings) + path
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with _opener.open(request, timeout=_REQUEST_SECONDS) as response:
            text = response.read()
    except urllib.error.HTTPError as error:
        with error:
            detail = error.read(2000).decode(errors="replace")
        kind = {404: NotFoundError}.get(error.code, ServerError if error.code >= 500 else ContractError)
        raise kind(f"Airflow answers {error.code} to {method} {path}: {detail}") from None
    except OSError as error:
        raise SourceUnavailable(f"Airflow doesn't answer at {base_url(settings)}: {error}") from error
    answer: dict[str, Any] = json.loads(text) if text else {}
    return answer
