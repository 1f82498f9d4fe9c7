"""Where alerts are told beside the log: a webhook, and mail. What can't be told is logged, and never stops a stage."""

import json
import logging
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

from datacentre.errors import ContractError
from datacentre.settings import Settings

_SECONDS = 5.0
_log = logging.getLogger(__name__)


def tell(settings: Settings, subject: str, document: dict[str, object]) -> bool:
    """Give it to every channel of the settings; whether all have taken it."""
    is_taken = True
    for name, send in _channels(settings):
        try:
            send(subject, document)
        except (OSError, ValueError, ContractError, urllib.error.URLError, smtplib.SMTPException) as problem:
            _log.error("the alert %r was not told by %s: %s", subject, name, problem)
            is_taken = False
    return is_taken


def _channels(settings: Settings) -> Iterator[tuple[str, Callable[[str, dict[str, object]], None]]]:
    if settings.alert_webhook:
        yield "webhook", lambda subject, document: _post(settings.alert_webhook, {"subject": subject, **document})
    if settings.alert_smtp:
        yield "mail", lambda subject, document: _mail(settings.alert_smtp, subject, document)


def _post(url: str, document: dict[str, object]) -> None:
    request = urllib.request.Request(
        url, json.dumps(document, default=str).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=_SECONDS):
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
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
