"""Raise and clear alerts: kept in the control store, told in the log and by the channels of the settings."""

import logging
import time
from typing import Any

import sqlalchemy as sa

from datacentre.control.alerts import OPEN, mark_told, raise_alert, resolve_alert, untold
from datacentre.control.store import opened
from datacentre.errors import DataCentreError
from datacentre.file_lock import locked_if_free
from datacentre.services.channels import channel_names, tell
from datacentre.settings import Settings, from_environment

TASK_FAILED = "task failed"
LATE = "late"
_CENTRE = "centre"
_CHANNEL_SECONDS = 10.0

_log = logging.getLogger(__name__)


def alarm(settings: Settings, control: sa.Engine, kind: str, stream: str, text: str) -> None:
    """Something is wrong: told at once when it begins; each later call keeps it open, with its newest text."""
    if raise_alert(control, kind, stream, text).times == 1:
        _log.warning("%s: %s: %s", kind, stream or _CENTRE, text)
        tell_untold(settings, control)


def clear(settings: Settings, control: sa.Engine, kind: str, stream: str) -> None:
    """It is well again."""
    if resolve_alert(control, kind, stream) is not None:
        _log.warning("%s: %s: over", kind, stream or _CENTRE)
        tell_untold(settings, control)


def tell_untold(settings: Settings, control: sa.Engine) -> None:
    """Tell each channel what it has not taken yet. One that refuses is left alone until the next sweep.

    While another process tells, it is left to that one and to the next sweep, so that nothing is told twice.
    """
    with locked_if_free(settings.run / "telling.lock") as is_alone:
        if is_alone:
            for channel in channel_names(settings):
                _tell_channel(settings, control, channel)


def _tell_channel(settings: Settings, control: sa.Engine, channel: str) -> None:
    """Oldest first, until the channel refuses or has had its time."""
    deadline = time.monotonic() + _CHANNEL_SECONDS
    for alert, state in untold(control, channel):
        subject, document = _message(alert.kind, alert.stream, alert.text, state)
        if time.monotonic() > deadline or not tell(settings, channel, subject, document):
            return
        mark_told(control, alert.id, channel, state)


def _message(kind: str, stream: str, text: str, state: str) -> tuple[str, dict[str, object]]:
    subject = f"{kind}: {stream or _CENTRE}"
    document: dict[str, object] = {"kind": kind, "stream": stream, "state": state, "text": text}
    return subject if state == OPEN else f"over: {subject}", document


def task_failed(context: Any) -> None:
    """For Airflow's `on_failure_callback`: the last try of a task has failed."""
    settings, task = from_environment(), _task(context)
    text = _told_of(context.get("exception"))
    try:
        with opened(settings.control_url) as control:
            alarm(settings, control, TASK_FAILED, task, text)
    except DataCentreError as problem:  # the store is what has failed
        subject, document = _message(TASK_FAILED, task, f"{text}; {problem}", OPEN)
        for channel in channel_names(settings):
            tell(settings, channel, subject, document)


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
