"""Who asks, whether it may, and the entry of the access log that goes before every answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from starlette.requests import Request

from datacentre.errors import AccessDenied, DataCentreError
from datacentre.web.api_keys import KeyRing
from datacentre.web.http import key_text
from datacentre.web.problem import Problem
from sharing.access_keys import AccessKey
from sharing.access_log.entry import Read, harmless
from sharing.access_log.grouped import GroupedLog
from sharing.counter import Answer
from sharing.permission import Permission
from sharing.shelves import Shelves

A = TypeVar("A", bound=Answer)
R = TypeVar("R", bound=Exception)


@dataclass(frozen=True)
class Asker:
    """The holder of a key that is known, with the purpose that the request names, if any."""

    key: AccessKey
    purpose: str


class Desk:
    """Used by one event loop."""

    def __init__(self, shelves: Shelves, keys: KeyRing[AccessKey], log: GroupedLog):
        self.shelves = shelves
        self._keys, self._log = keys, log

    def asker(self, request: Request) -> Asker:
        """Raises Problem (401) for a text that never was a key; one that has ended is refused later, and logged."""
        key = self._keys.known(key_text(request))
        if key is None:
            raise _no_key("send a key as Authorization: Bearer, or as X-API-Key; this one isn't known")
        request.state.caller = f"{key.consumer}/{key.id}"
        purpose = request.headers.get("x-purpose") or request.query_params.get("purpose", "")
        return Asker(key, purpose)

    async def answered(
        self,
        asker: Asker,
        asked: Read,
        work: Callable[[Permission], Awaitable[A]],
    ) -> A:
        """What `work` answers, once the log has it; a refusal is logged as well, and raised.

        `asked` is how a refusal is logged; `blank_read` makes it.
        """
        try:
            answer = await work(self._permission(asker))
        except (DataCentreError, Problem) as refusal:
            raise await self.refused(asked, refusal) from None
        await self._log.write(answer.read)
        return answer

    async def refused(self, asked: Read, refusal: R) -> R:
        """The refusal, once the log has it."""
        await self._log.write(replace(asked, denied=harmless(str(refusal))))
        return refusal

    def _permission(self, asker: Asker) -> Permission:
        now, key = datetime.now(UTC), asker.key
        if not key.is_valid(now):
            raise Problem(
                401,
                "no-valid-key",
                f"key {key.id} is {key.state(now)}; ask for another",
                {"WWW-Authenticate": "Bearer"},
            )
        allowed = self.shelves.permission(key.consumer, asker.purpose, key.id)
        if asker.purpose not in key.purposes:
            raise AccessDenied(f"key {key.id} isn't made for {asker.purpose}, but for {', '.join(key.purposes)}")
        return allowed


def blank_read(asker: Asker, action: str, dataset: str, person_key: str | None = None) -> Read:
    return Read(
        asker.key.consumer, asker.key.id, harmless(asker.purpose), action, harmless(dataset), person_key=person_key
    )


def _no_key(detail: str) -> Problem:
    return Problem(401, "no-valid-key", detail, {"WWW-Authenticate": "Bearer"})
