"""The URLs by which alerts are told. They may hold a secret: no message repeats them."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from datacentre.errors import ContractError

_MAIL_PORTS = {"smtp": 25, "smtps": 465}
_WEBHOOK = "DATACENTRE_ALERT_WEBHOOK must be https://host/path or http://host/path"
_MAIL = "DATACENTRE_ALERT_SMTP must be smtp://host:port?from=address&to=address, or smtps://"


@dataclass(frozen=True)
class MailRoute:
    """`smtps` speaks TLS from the first byte, `smtp` where the server offers it. `user` may be empty."""

    scheme: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]


def require_webhook(url: str) -> None:
    """Raises ContractError where an alert can't be posted to `url`."""
    parts = _split(url, _WEBHOOK)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ContractError(f"{_WEBHOOK}: scheme or host is missing")
    if "@" in parts.netloc:
        raise ContractError(f"{_WEBHOOK}, without a user name: give the secret as part of the path or query")


def mail_route(url: str) -> MailRoute:
    """Read `smtp://user:password@host:port?from=a&to=b`; raises ContractError where it doesn't say enough."""
    parts = _split(url, _MAIL)
    if parts.scheme not in _MAIL_PORTS or not parts.hostname:
        raise ContractError(f"{_MAIL}: scheme or host is missing")
    given = parse_qs(parts.query)
    sender, recipients = given.get("from", []), given.get("to", [])
    if len(sender) != 1 or not recipients or not all(_is_address(a) for a in (*sender, *recipients)):
        raise ContractError(f"{_MAIL}: it needs one from and at least one to, each an address")
    return MailRoute(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or _MAIL_PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender[0],
        recipients=tuple(recipients),
    )


def _split(url: str, rule: str) -> SplitResult:
    """Also refuses what Python's clients refuse with an error that shows the URL."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ContractError(f"{rule}: it holds a space or a character that must be written as %..")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ContractError(f"{rule}: host or port can't be read") from None
    if port == 0:
        raise ContractError(f"{rule}: a port is a number from 1 to 65535")
    return parts


def _is_address(text: str) -> bool:
    name, _, host = text.rpartition("@")
    return bool(name and host) and text.isprintable() and " " not in text
