"""Where alerts are told beside the log: a webhook, and mail. What can't be told is logged, and never stops a stage."""

import json
import logging
import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from datacentre.errors import ContractError
from datacentre.settings import Settings

_SECONDS = 5.0
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_log = logging.getLogger(__name__)


def tell(settings: Settings, subject: str, document: dict[str, object]) -> bool:
    """Give it to every channel of the settings; whether all have taken it."""
    is_taken = True
    for name, send in _channels(settings):
        try:
            send(subject, document)
        except Exception as problem:  # whatever answers there: an alert must not end the stage that raises it
            _log.error("the alert %r was not told by %s: %s", subject, name, problem)
            is_taken = False
    return is_taken


def _channels(settings: Settings) -> Iterator[tuple[str, Callable[[str, dict[str, object]], None]]]:
    if settings.alert_webhook:
        yield "webhook", lambda subject, document: _post(settings.alert_webhook, {"subject": subject, **document})
    if settings.alert_smtp:
        yield "mail", lambda subject, document: _mail(settings.alert_smtp, subject, document)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Followed, a POST becomes a GET of a login page, whose 200 would count as told."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _post(url: str, document: dict[str, object]) -> None:
    request = urllib.request.Request(
        url, json.dumps(document, default=str).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with _OPENER.open(request, timeout=_SECONDS):
        pass


def _mail(url: str, subject: str, document: dict[str, object]) -> None:
    """By `smtp://user:password@host:port?from=a&to=b`; `smtps` speaks TLS from the first byte, `smtp` where offered."""
    parts = urlsplit(url)
    given = parse_qs(parts.query)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not {"from", "to"} <= given.keys():
        raise ContractError("DATACENTRE_ALERT_SMTP must be smtp://host:port?from=address&to=address")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, given["from"][0], ", ".join(given["to"])
    message.set_content("\n".join(f"{name}: {value}" for name, value in document.items()))
    context = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(parts.hostname, parts.port or 465, timeout=_SECONDS, context=context)
        if parts.scheme == "smtps"
        else smtplib.SMTP(parts.hostname, parts.port or 25, timeout=_SECONDS)
    ) as server:
        server.ehlo()
        is_secret = parts.scheme == "smtps" or parts.hostname in _THIS_MACHINE
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            is_secret = True
        if parts.username:
            if not is_secret:
                raise ContractError(f"{parts.hostname} offers no TLS, so the password was not sent; use smtps://")
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
