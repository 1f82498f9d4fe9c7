"""Alerts: each channel is told once, again while it refuses, and once more when they are over."""

import socketserver
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from datacentre.control.alerts import open_alerts, recent_alerts, untold
from datacentre.control.store import opened
from datacentre.errors import CheckFailed
from datacentre.services import channels
from datacentre.settings import Settings, from_environment
from datacentre.stages.alerting import alarm, clear, task_failed, task_succeeded, tell_untold
from tests.unit.services.json_server import JsonHandler, serving

STREAM = "dot__exit_survey"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"DATACENTRE_HOME": str(tmp_path)})


@pytest.fixture
def control(settings: Settings) -> Iterator[sa.Engine]:
    with opened(settings.control_url) as store:
        yield store


@contextmanager
def webhook(status: list[int], began: Event | None = None) -> Iterator[tuple[str, list[Any]]]:
    """Answers with the first status, which a test may change; keeps what it is sent. Sets `began`, then takes its
    time."""
    sent: list[Any] = []

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            sent.append(self.body())
            if began is not None:
                began.set()
                time.sleep(0.5)
            self.answer(status[0], {})

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}/hook", sent


@contextmanager
def mailbox() -> Iterator[tuple[int, list[str]]]:
    """A mail server that takes whatever it is given (RFC 5321, the commands that a client must use)."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            while line := self.rfile.readline():
                if line.upper().startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    body = b"".join(iter(self.rfile.readline, b".\r\n"))
                    mails.append(body.decode())
                self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 fine\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()


def test_it_is_told_once_and_once_more_when_it_is_over(settings: Settings, control: sa.Engine) -> None:
    with webhook([200]) as (url, sent), mailbox() as (port, mails):
        smtp = f"smtp://127.0.0.1:{port}?from=centre@example.bt&to=night@example.bt"
        told = replace(settings, alert_webhook=url, alert_smtp=smtp)
        for age in (700, 800):
            alarm(told, control, "late", STREAM, f"{age} s")
        clear(told, control, "late", STREAM)
        clear(told, control, "late", STREAM)

    assert [(m["state"], m["kind"], m["stream"], m["text"]) for m in sent] == [
        ("open", "late", STREAM, "700 s"),
        ("resolved", "late", STREAM, "800 s"),
    ]
    assert [mail.count(f"late: {STREAM}") for mail in mails] == [1, 1]
    assert "To: night@example.bt" in mails[0] and "text: 700 s" in mails[0]
    (kept,) = recent_alerts(control)
    assert (kept.times, kept.text) == (2, "800 s")
    assert kept.resolved_at is not None
    assert open_alerts(control) == ()


def test_a_channel_that_refuses_is_told_by_a_later_sweep_and_the_other_is_not_told_again(
    settings: Settings, control: sa.Engine
) -> None:
    status = [500]
    with webhook(status) as (url, refused), mailbox() as (port, mails):
        smtp = f"smtp://127.0.0.1:{port}?from=centre@example.bt&to=night@example.bt"
        told = replace(settings, alert_webhook=url, alert_smtp=smtp)
        alarm(told, control, "held", STREAM, "first")
        alarm(told, control, "held", STREAM, "second")
        tell_untold(told, control)
        assert ([m["text"] for m in refused], len(mails)) == (["first", "second"], 1)
        status[0] = 200
        tell_untold(told, control)
        tell_untold(told, control)
        assert (len(refused), len(mails)) == (3, 1)

        status[0] = 500
        clear(told, control, "held", STREAM)
        status[0] = 200
        tell_untold(told, control)
        tell_untold(told, control)

    assert [m["state"] for m in refused] == ["open", "open", "open", "resolved", "resolved"]
    assert [mail.count(f"over: held: {STREAM}") for mail in mails] == [0, 1]


def test_who_was_not_told_that_it_began_is_not_told_that_it_is_over(settings: Settings, control: sa.Engine) -> None:
    status = [500]
    with webhook(status) as (url, sent):
        told = replace(settings, alert_webhook=url)
        alarm(told, control, "held", STREAM, "x")
        status[0] = 200
        clear(told, control, "held", STREAM)
        tell_untold(told, control)

    assert [m["state"] for m in sent] == ["open"]


def test_a_channel_that_comes_later_hears_of_what_is_open_still(settings: Settings, control: sa.Engine) -> None:
    alarm(settings, control, "late", STREAM, "a")
    alarm(settings, control, "held", STREAM, "b")
    clear(settings, control, "late", STREAM)
    with webhook([200]) as (url, sent):
        tell_untold(replace(settings, alert_webhook=url), control)

    assert [m["kind"] for m in sent] == ["held"]


def test_two_that_tell_at_once_tell_it_once(settings: Settings, control: sa.Engine) -> None:
    began = Event()
    with webhook([200], began) as (url, sent):
        told = replace(settings, alert_webhook=url)
        first = Thread(target=alarm, args=(told, control, "late", STREAM, "x"))
        first.start()
        assert began.wait(10)
        tell_untold(told, control)
        first.join()
        tell_untold(told, control)

    assert len(sent) == 1


def test_kinds_and_streams_are_alerts_of_their_own(settings: Settings, control: sa.Engine) -> None:
    alarm(settings, control, "late", STREAM, "a")
    alarm(settings, control, "held", STREAM, "b")
    alarm(settings, control, "late", "dot__departures", "c")
    clear(settings, control, "late", STREAM)

    assert [(a.kind, a.stream) for a in open_alerts(control)] == [("held", STREAM), ("late", "dot__departures")]


def test_a_task_that_fails_is_an_alert_until_it_succeeds(
    settings: Settings, control: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATACENTRE_HOME", str(settings.home))
    failing = {
        "task_instance": SimpleNamespace(task_id="publish", dag_id="build"),
        "exception": CheckFailed("dbt: models/marts/fct_service_case.sql: no such column"),
    }
    task_failed(failing)
    (found,) = open_alerts(control)
    assert (found.stream, found.text) == ("build.publish", "dbt: models/marts/fct_service_case.sql: no such column")

    task_succeeded({"task_instance": SimpleNamespace(task_id="before", dag_id="build")})
    assert len(open_alerts(control)) == 1  # another task of the run doesn't end it
    task_succeeded(failing)
    assert open_alerts(control) == ()


def test_what_may_quote_a_record_is_not_told(
    settings: Settings, control: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATACENTRE_HOME", str(settings.home))
    context = {"task_instance": SimpleNamespace(task_id="t", dag_id="d"), "exception": ValueError("11705551234")}
    task_failed(context)

    assert open_alerts(control)[0].text == "ValueError: see the task's log"


def test_an_answer_that_is_not_http_and_a_redirect_are_refusals(settings: Settings, control: sa.Engine) -> None:
    class Garbage(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b"220 no web server\r\n")

    class Redirect(JsonHandler):
        def do_POST(self) -> None:
            self.body()
            self.send_response(302)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.answer(200, {})

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Garbage) as server, serving(Redirect) as redirecting:
        Thread(target=server.serve_forever, daemon=True).start()
        for number, port in enumerate((server.server_address[1], redirecting)):
            alarm(replace(settings, alert_webhook=f"http://127.0.0.1:{port}/"), control, "late", f"s{number}", "x")
        server.shutdown()

    assert [alert.stream for alert, _ in untold(control, "webhook")] == ["s0", "s1"]


def test_a_password_is_not_sent_without_tls(
    settings: Settings, control: sa.Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channels, "_THIS_MACHINE", ())
    with mailbox() as (port, mails):
        smtp = f"smtp://a:hush@127.0.0.1:{port}?from=a@b.bt&to=c@d.bt"
        alarm(replace(settings, alert_smtp=smtp), control, "late", STREAM, "x")

    assert mails == []
    assert "offers no TLS" in caplog.text and "hush" not in caplog.text


def test_a_store_that_is_down_is_told_too(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "control.sqlite").mkdir()
    with webhook([200]) as (url, sent):
        monkeypatch.setenv("DATACENTRE_HOME", str(tmp_path))
        monkeypatch.setenv("DATACENTRE_ALERT_WEBHOOK", url)
        task_failed({"task_instance": SimpleNamespace(task_id="certify", dag_id="check"), "exception": OSError("x")})

    assert "control store" in sent[0]["text"]


def test_secrets_of_the_channels_are_not_shown(settings: Settings) -> None:
    assert "hush" not in repr(replace(settings, alert_smtp="smtp://a:hush@host", alert_webhook="https://host/hush"))
