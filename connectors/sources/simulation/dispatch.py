"""From events to outgoing records: the envelope, the defects, the order of arrival."""

from collections.abc import Iterator, Mapping
from itertools import starmap
from random import Random

import msgspec

from connectors.sources.simulation.clock import DAY, Clock
from connectors.sources.simulation.defects import Defects, DefectShares
from connectors.sources.simulation.record import Event, OutgoingRecord
from datacentre.contracts.model import Contract

_Waiting = tuple[int, int, str, bytes, bytes | None, str | None]


class Dispatch:
    """Takes cases in the order they begin; hands out each day's records in the order they arrive.

    Events after the period's end have not happened yet and are dropped; what is held back beyond the
    end arrives at the end.
    """

    def __init__(self, contracts: Mapping[str, Contract], clock: Clock, shares: DefectShares, seed: str, run: str):
        self._clock = clock
        self._defects = Defects(contracts, shares, Random(f"{seed}/defects"))
        self._envelopes = {
            key: (f"simulation/{key.partition('__')[0]}", contract.schema_tag) for key, contract in contracts.items()
        }
        self._prefix = f"{run.lower()}-"
        self._encode = msgspec.json.Encoder().encode
        self._days: list[list[_Waiting]] = [[] for _ in range(clock.last_day - clock.first_day + 1)]
        self._count = 0

    def post(self, case: list[Event]) -> None:
        """Take the events of one case."""
        clock, draw, encode, envelopes = self._clock, self._defects.draw, self._encode, self._envelopes
        for stream, key, at, fields in case:
            if at > clock.until:
                continue
            self._count = number = self._count + 1
            source, tag = envelopes[stream]
            record = {
                "event_id": f"{self._prefix}{number}",
                "source": source,
                "event_time": clock.text(at),
                "schema": tag,
                **fields,
            }
            kind = draw()
            if kind is None:
                waiting = (at, number, stream, key.encode(), encode(record), None)
                self._days[at // DAY - clock.first_day].append(waiting)
                continue
            for delay, value, defect in self._defects.arrivals(kind, stream, record):
                begun = at if value is not None else max(event[2] for event in case)
                self._hold(begun + delay, stream, key.encode(), value, defect)

    def _hold(self, arrival: int, stream: str, key: bytes, value: bytes | None, defect: str | None) -> None:
        """A deletion that is cut off at the period's end still comes after everything else."""
        last = self._clock.until + (value is None)
        self._count += 1
        day = min(arrival // DAY, self._clock.last_day) - self._clock.first_day
        self._days[day].append((min(arrival, last), self._count, stream, key, value, defect))

    def take(self, day: int) -> Iterator[OutgoingRecord]:
        """The records that arrive on this day, once; nothing may be posted for it afterwards."""
        waiting, self._days[day - self._clock.first_day] = self._days[day - self._clock.first_day], []
        waiting.sort()
        return starmap(OutgoingRecord, (entry[2:] for entry in waiting))
