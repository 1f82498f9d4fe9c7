"""Whether a consumer may read something for a purpose: only where the agreement says so."""

from dataclasses import dataclass
from datetime import date

from datacentre.errors import AccessDenied
from sharing.agreements.model import Agreement, MartGrant, StreamGrant


@dataclass(frozen=True)
class Permission:
    """An agreement that is valid, and a purpose that it names; `key_id` is the API key's, or `cli`."""

    agreement: Agreement
    purpose: str
    key_id: str

    @property
    def consumer(self) -> str:
        return self.agreement.consumer

    def marts(self) -> tuple[str, ...]:
        """Those that may be read for this purpose."""
        return tuple(name for name, grant in self.agreement.marts.items() if self.purpose in grant.purposes)

    def streams(self) -> tuple[str, ...]:
        return tuple(name for name, grant in self.agreement.streams.items() if self.purpose in grant.purposes)

    def mart(self, name: str) -> MartGrant:
        """Raises AccessDenied alike for a mart of others and for one that nobody has."""
        if name not in self.marts():
            raise self._denied(name)
        return self.agreement.marts[name]

    def stream(self, name: str) -> StreamGrant:
        if name not in self.streams():
            raise self._denied(name)
        return self.agreement.streams[name]

    def attributes(self) -> tuple[str, ...]:
        """What may be looked up of a person; raises AccessDenied where that is nothing."""
        if not self.agreement.lookups.get(self.purpose):
            raise self._denied("lookups of persons")
        return self.agreement.lookups[self.purpose]

    def _denied(self, what: str) -> AccessDenied:
        return AccessDenied(
            f"{self.consumer}: agreement {self.agreement.id} doesn't give {what[:80]} for {self.purpose};"
            " GET /v1/catalogue lists what it gives"
        )


def permission(agreement: Agreement | None, consumer: str, purpose: str, key_id: str, day: date) -> Permission:
    """Raises AccessDenied without a purpose, for one that the agreement doesn't name, without an agreement, and
    outside of its days."""
    if agreement is None:
        raise AccessDenied(f"{consumer[:80]}: there is no agreement with this consumer")
    if not agreement.is_valid(day):
        raise AccessDenied(
            f"{consumer}: agreement {agreement.id} holds from {agreement.valid_from} to {agreement.expires} only"
        )
    if not purpose:
        raise AccessDenied(f"{consumer}: name a purpose; agreement {agreement.id} has {', '.join(agreement.purposes)}")
    if purpose not in agreement.purposes:
        raise AccessDenied(
            f"{consumer}: agreement {agreement.id} knows no purpose {purpose[:80]!r}; it has"
            f" {', '.join(agreement.purposes)}"
        )
    return Permission(agreement, purpose, key_id)
