"""What the sink asks of a Kafka client."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.sink.batch import Chunk

Partition = tuple[str, int]


@dataclass(frozen=True)
class Membership:
    """Who a consumer is in the group, and whom it tells of its partitions.

    `on_assigned` returns where to read each new partition from; `on_revoked` is told of those that go, given
    back or lost. Both run inside `poll`. A member with an `instance` keeps its partitions over a restart.
    """

    bootstrap_servers: str
    group: str
    instance: str
    topics: Sequence[str]
    session_ms: int
    fetch_bytes: int
    on_assigned: Callable[[Iterable[Partition]], Mapping[Partition, int]]
    on_revoked: Callable[[Iterable[Partition]], None]


class Consumer(Protocol):
    """A group member that reads committed records, with positions that span gaps.

    Failures to reach the broker are left to the client's own retries; a position that the broker no longer
    has raises CheckFailed.
    """

    def poll(self, timeout_seconds: float) -> list[Chunk]:
        """Some records, or none after the timeout."""

    def positions(self) -> Mapping[Partition, int]:
        """Next offset to be read, gaps of aborted transactions included, by assigned partition."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on at `offset`; nothing fetched before is returned any more. One that is not assigned is left alone."""

    def hold(self, topics: Iterable[str]) -> None:
        """Give no records of these topics, and of all others again, until the next call; what is assigned in between
        counts from then on."""

    def note(self, positions: Mapping[Partition, int]) -> None:
        """Tell the group how far the lake is: for lag displays only, nothing reads it back."""

    def ends(self) -> Mapping[Partition, int]:
        """The end of each assigned partition as far as the client has heard of it."""

    def close(self) -> None: ...
