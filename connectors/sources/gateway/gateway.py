"""What the gateway does with records, apart from how they came: who may, does it keep its contract, is it sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.sources.gateway.candidate import Candidate
from connectors.sources.gateway.check import GroupedCheck, KeyReader, Message
from connectors.sources.gateway.delivery import LONGEST_MESSAGE, Delivery
from connectors.sources.gateway.in_flight import InFlight, Limits, Share
from connectors.sources.gateway.keys import GatewayKey
from connectors.sources.gateway.metrics import Metrics
from datacentre import names
from datacentre.contracts import Contract
from datacentre.errors import SourceUnavailable
from datacentre.web.api_keys import KeyRing
from datacentre.web.problem import Problem

_RETRY_SECONDS = "5"


@dataclass(frozen=True)
class RefusedRecord:
    """A record by its position in the request, and all rules it broke; its values aren't repeated."""

    index: int
    broken_rules: tuple[str, ...]


@dataclass(frozen=True)
class Receipt:
    """What Kafka has acknowledged of a request, and what was left out."""

    stream: str
    schema: str
    accepted: int
    refused: tuple[RefusedRecord, ...] = ()


class Gateway:
    """Used by one event loop. `delivery` stays the caller's to close."""

    def __init__(
        self, contracts: Mapping[str, Contract], keys: KeyRing[GatewayKey], delivery: Delivery, limits: Limits
    ):
        self.contracts = contracts
        self.in_flight = InFlight(limits)
        self.metrics = Metrics(self.in_flight)
        self._keys, self._delivery = keys, delivery
        self._readers = {key: KeyReader(contract) for key, contract in contracts.items()}
        self._checks = {key: GroupedCheck(contract) for key, contract in contracts.items()}

    def close(self) -> None:
        for check in self._checks.values():
            check.close()

    def holder(self, key_text: str) -> GatewayKey:
        """Raises Problem (401) unless this is a key that is valid now."""
        holder = self._keys.holder(key_text, datetime.now(UTC))
        if holder is None:
            raise Problem(
                401,
                "no-valid-key",
                "send a valid key as Authorization: Bearer, or as X-API-Key; it may be unknown, expired or revoked",
                {"WWW-Authenticate": "Bearer"},
            )
        return holder

    def writable(self, holder: GatewayKey, stream: str) -> Contract:
        """The stream's contract; raises Problem: 404 when there is none, 403 when the key may not write it."""
        if stream not in self.contracts:
            raise Problem(
                404, "no-such-stream", f"no stream {stream[:80]!r}; GET /v1/streams lists what this key may write"
            )
        if stream not in holder.streams:
            raise Problem(403, "not-your-stream", f"this key of {holder.agency} may not write {stream}")
        return self.contracts[stream]

    async def push(
        self, contract: Contract, candidates: Sequence[Candidate], share: Share, is_partial: bool
    ) -> Receipt:
        """Check all records, then send them and wait for Kafka.

        One broken record refuses the whole request; with `is_partial` the good ones are sent and the
        others told. Raises Problem: 413, 422, 429 or 503.
        """
        most = self.in_flight.limits.body_records
        if len(candidates) > most:
            raise Problem(413, "too-many-records", f"a request takes up to {most} records; send these in parts")
        share.hold(records=len(candidates))
        reader = self._readers[contract.key]
        messages = [reader.message(candidate.value) for candidate in candidates]
        refused = await self._refused(contract, candidates, messages)
        if refused and (not is_partial or len(refused) == len(messages)):
            raise _broken_contract(contract, len(messages), refused)
        left_out = {record.index for record in refused}
        good = [message for index, message in enumerate(messages) if index not in left_out]
        await self._send(contract, good)
        self.metrics.accepted.labels(contract.key).inc(len(good))
        return Receipt(contract.key, contract.schema_tag, len(good), refused)

    async def delete(self, contract: Contract, key: str) -> Receipt:
        """Send a null value for a key; raises Problem: 405 where the contract knows no deletion, 400, 422, 503."""
        if not contract.deletes_by_key:
            raise Problem(405, "no-deletion", f"the contract of {contract.key} knows no deletion by key", {"Allow": ""})
        if not key or "\ufffd" in key:
            raise Problem(400, "key", "name the key in the path, percent-encoded UTF-8")
        message = Message(key.encode(), None)
        refused = await self._refused(contract, [Candidate(b"")], [message])
        if refused:
            raise _broken_contract(contract, 1, refused)
        await self._send(contract, [message])
        self.metrics.deleted.labels(contract.key).inc()
        return Receipt(contract.key, contract.schema_tag, 1)

    def is_kafka_there(self) -> bool:
        """Blocks up to two seconds."""
        return self._delivery.answers()

    async def _refused(
        self, contract: Contract, candidates: Sequence[Candidate], messages: Sequence[Message]
    ) -> tuple[RefusedRecord, ...]:
        with self.metrics.check_seconds.time():
            found = await self._checks[contract.key].broken(messages)
        refused = []
        for index, (candidate, message) in enumerate(zip(candidates, messages, strict=True)):
            too_large = ("record.too_large",) if message.size > LONGEST_MESSAGE else ()
            if rules := (*candidate.broken_rules, *too_large, *found.get(index, ())):
                refused.append(RefusedRecord(index, rules))
                for rule in rules:
                    self.metrics.refused.labels(contract.key, rule).inc()
        return tuple(refused)

    async def _send(self, contract: Contract, messages: Sequence[Message]) -> None:
        try:
            with self.metrics.ack_seconds.time():
                await self._delivery.send(names.topic(contract.key), messages)
        except SourceUnavailable:
            raise Problem(
                503,
                "not-acknowledged",
                "Kafka did not acknowledge all records; send the same request again: a repeated event counts once",
                {"Retry-After": _RETRY_SECONDS},
            ) from None


def _broken_contract(contract: Contract, count: int, refused: Sequence[RefusedRecord]) -> Problem:
    return Problem(
        422,
        "broken-contract",
        f"{len(refused)} of {count} record(s) break {contract.schema_tag}; nothing was sent",
        schema=contract.schema_tag,
        refused=refused,
    )
