"""Where alerts are told beside the log: a webhook, and mail. What can't be told is logged, and never stops a stage."""

import json
import logging
import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from functools import partial
from typing import Any

from datacentre.channel_urls import MailRoute, mail_route
from datacentre.errors import ContractError
from datacentre.settings import Settings

_SECONDS = 5.0
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_Document = dict[str, object]
_Send = Callable[[str, _Document], None]
_log = logging.getLogger(__name__)


def channel_names(settings: Settings) -> tuple[str, ...]:
    """The channels of the settings."""
    return tuple(_channels(settings))


def tell(settings: Settings, channel: str, subject: str, document: _Document) -> bool:
    """Whether the channel has taken it."""
    try:
        _channels(settings)[channel](subject, document)
    except Exception as problem:  # whatever answers there: an alert must not end the stage that raises it
        _log.error("the alert %r was not told by %s: %s", subject, channel, problem)
        return False
    return True


def _channels(settings: Settings) -> dict[str, _Send]:
    given: dict[str, tuple[str, Callable[[str, str, _Document], None]]] = {
        "webhook": (settings.alert_webhook, _post),
        "mail": (settings.alert_smtp, _mail),
    }
    return {name: partial(send, url) for name, (url, send) in given.items() if url}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Followed, a POST becomes a GET of a login page, whose 200 would count as told."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _post(url: str, subject: str, document: _Document) -> None:
    content = json.dumps({"subject": subject, **document}, default=str).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method="POST")
    with _OPENER.open(request, timeout=_SECONDS):
        pass


def _mail(url: str, subject: str, document: _Document) -> None:
    route = mail_route(url)
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, route.sender, ", ".join(route.recipients)
    message.set_content("\n".join(f"{name}: {value}" for name, value in document.items()))
    with _connected(route) as server:
        server.send_message(message)


@contextmanager
def _connected(route: MailRoute) -> Iterator[smtplib.SMTP]:
    """A server that knows who sends; raises ContractError rather than send it a password in the clear."""
    context = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(route.host, route.port, timeout=_SECONDS, context=context)
        if route.scheme == "smtps"
        else smtplib.SMTP(route.host, route.port, timeout=_SECONDS)
    ) as server:
        server.ehlo()
        is_secret = route.scheme == "smtps" or route.host in _THIS_MACHINE
        if route.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            is_secret = True
        if route.user:
            if not is_secret:
                raise ContractError(f"{route.host} offers no TLS, so the password was not sent; use smtps://")
            server.login(route.user, route.password)
        yield server
