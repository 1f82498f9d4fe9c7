"""What the simulated agencies hand on, and what finally goes to the broker."""

from typing import Any, NamedTuple, Protocol

Fields = dict[str, Any]

Event = tuple[str, str, int, Fields]
"""Stream key, Kafka key, local second it happened, the contract's own fields.

`event_time` may stand among the fields (a date alone, or UTC text); otherwise it is written from the
second. The other bookkeeping fields are added later, the same way for every agency.
"""


class OutgoingRecord(NamedTuple):
    """One record as it is sent: `value` None deletes by key; `defect` names what is wrong, if anything."""

    stream: str
    key: bytes
    value: bytes | None
    defect: str | None


class Process(Protocol):
    """Something an agency does: cases begin on a day and leave events then and later."""

    def weight(self, day: int) -> float:
        """How many cases begin on this day, relative to other days; zero or more."""

    def case(self, day: int) -> list[Event]:
        """The events of one case that begins on this day, none earlier than that day."""
