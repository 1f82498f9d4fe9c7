"""Raise and clear alerts: kept in the control store, told in the log and by the channels of the settings."""

import logging
from typing import Any

import sqlalchemy as sa

from datacentre.control.alerts import mark_told, raise_alert, resolve_alert
from datacentre.control.store import opened
from datacentre.errors import DataCentreError
from datacentre.services.channels import tell
from datacentre.settings import Settings, from_environment

TASK_FAILED = "task failed"

_log = logging.getLogger(__name__)


def alarm(settings: Settings, control: sa.Engine, kind: str, stream: str, text: str) -> None:
    """Something is wrong. It is told once, and again while a channel has not taken it; each call keeps it open."""
    alert = raise_alert(control, kind, stream, text)
    _log.warning("%s: %s: %s", kind, stream or "centre", text)
    if alert.told_at is None and tell(settings, f"{kind}: {stream or 'centre'}", _document(kind, stream, text, "open")):
        mark_told(control, alert.id)


def clear(settings: Settings, control: sa.Engine, kind: str, stream: str) -> None:
    """It is well again; told where it was told that it wasn't."""
    alert = resolve_alert(control, kind, stream)
    if alert is not None:
        _log.warning("%s: %s: over", kind, stream or "centre")
        if alert.told_at is not None:
            tell(settings, f"over: {kind}: {stream or 'centre'}", _document(kind, stream, alert.text, "resolved"))


def _document(kind: str, stream: str, text: str, state: str) -> dict[str, object]:
    return {"kind": kind, "stream": stream, "state": state, "text": text}


def task_failed(context: Any) -> None:
    """For Airflow's `on_failure_callback`: the last try of a task has failed."""
    settings, task = from_environment(), _task(context)
    text = _told_of(context.get("exception"))
    try:
        with opened(settings.control_url) as control:
            alarm(settings, control, TASK_FAILED, task, text)
    except DataCentreError as problem:  # the store is what has failed
        tell(settings, f"{TASK_FAILED}: {task}", _document(TASK_FAILED, task, f"{text}; {problem}", "open"))


def task_succeeded(context: Any) -> None:
    """For Airflow's `on_success_callback`: what this task has raised is over."""
    settings = from_environment()
    with opened(settings.control_url) as control:
        clear(settings, control, TASK_FAILED, _task(context))


def _task(context: Any) -> str:
    task = context["task_instance"]
    return f"{task.dag_id}.{task.task_id}"


def _told_of(problem: object) -> str:
    """Our own errors and Airflow's in words; of any other its kind alone, for it may quote a record."""
    kind = type(problem)
    if isinstance(problem, DataCentreError) or kind.__module__.startswith("airflow."):
        return " ".join(str(problem).split())[:500]
    return f"{kind.__name__}: see the task's log"
