"""A small centre without Kafka: records written by the sink's own writer, certified, and followed by the registry."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from connectors.sink.batch import Batch, Chunk
from connectors.sink.writer import StreamWriter
from connectors.topics import Topic
from datacentre.contracts import Contract
from datacentre.control.certificates import CertifiedRange
from datacentre.pseudonym import PseudonymKey, load_or_create
from datacentre.settings import REPOSITORY
from lake.certified_rows import certified_file, follow_certificates
from registry.golden.mapping import load_mapping
from registry.golden.person import Person
from registry.golden.refresh import Refreshed, refresh
from registry.golden.statements import work_file
from registry.golden.store import reading

CID, TRANSFER, VISIT = "dcrc__cid_issuance", "dcrc__census_transfer", "jdwnrh__hospital_visit"
FEEDBACK = "rcsc__service_feedback"
PEMA, SONAM, DORJI = "99900000001", "99900000002", "99900000003"
_KEYS = {CID: "application_id", TRANSFER: "application_id", VISIT: "visit_id", FEEDBACK: "feedback_id"}
_SOURCES = {CID: "dcrc/bcrs", TRANSFER: "dcrc/bcrs", VISIT: "jdwnrh/his", FEEDBACK: "rcsc/feedback"}
_ARRIVED = datetime(2026, 3, 1, 10, tzinfo=UTC)

Record = tuple[str, str, dict[str, Any] | None]
"""Stream, key, and the fields; None deletes the key."""


def record(stream: str, key: str, event_id: str, day: str, **fields: Any) -> Record:
    values = {
        "event_id": event_id,
        "source": _SOURCES[stream],
        "event_time": day,
        "schema": f"{stream}@1.0.0",
        _KEYS[stream]: key,
    }
    return stream, key, values | fields


class SmallLake:
    """Everything lands in partition 0 of its stream, an hour after the record before."""

    def __init__(self, home: Path, contracts: dict[str, Contract]):
        self.home, self.contracts = home, {key: contracts[key] for key in _KEYS}
        self.key: PseudonymKey = load_or_create(home, is_in_use=False)
        self.mapping = load_mapping(REPOSITORY / "schemas", contracts)
        self.certified: dict[str, list[CertifiedRange]] = {key: [] for key in _KEYS}
        self.control: sa.Engine | None = None  # nobody is linked without one
        self._next: Counter[str] = Counter()
        self._messages = self._certificates = 0

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    def send(self, records: Iterable[Record]) -> None:
        """Land the records and certify them, one certificate per stream."""
        batches: dict[str, Batch] = {}
        for stream, key, values in records:
            batch = batches.setdefault(stream, Batch())
            at = _ARRIVED + timedelta(hours=self._messages)
            value = None if values is None else json.dumps(values).encode()
            offset = self._next[stream]
            batch.add(Chunk.of(stream, [(0, offset, round(at.timestamp() * 1000), key.encode(), value)]))
            self._next[stream] += 1
            self._messages += 1
        for stream, batch in batches.items():
            self._commit(stream, batch)

    def _commit(self, stream: str, batch: Batch) -> None:
        start = max((r.next_offset for r in self.certified[stream]), default=0)
        batch.advance(0, start, self._next[stream])
        topic = Topic(stream, f"cluster/{stream}", {0: 0}, {0: self._next[stream]})
        committed = StreamWriter(self.lake, self.contracts[stream], self.key, topic).commit(batch)
        assert committed.quarantined == 0, stream
        self._certificates += 1
        self.certified[stream].append(CertifiedRange(self._certificates, 0, start, self._next[stream]))

    def certify_again(self, stream: str, place: int) -> None:
        """Under a number of its own, as a recheck does."""
        self._certificates += 1
        self.certified[stream][place] = replace(self.certified[stream][place], certificate_id=self._certificates)

    def refresh(self) -> Refreshed:
        marts = self.home / "marts"
        marts.mkdir(exist_ok=True)
        copy = certified_file(marts)
        follow_certificates(copy, self.lake, self.contracts, self.certified)
        return refresh(self.home, self.lake, copy, self.mapping, self.contracts, self.control)

    def person(self, cid: str) -> Person | None:
        with reading(self.home) as store:
            return store.find(self.key.pseudonym(cid))

    def values(self, cid: str) -> dict[str, str]:
        person = self.person(cid)
        return {name: a.value for name, a in person.attributes.items()} if person else {}

    def statements(self, columns: str = "*") -> list[tuple[Any, ...]]:
        with duckdb.connect(str(work_file(self.home)), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(f"select {columns} from statement order by all").fetchall()


def card(number: str, cid: str, day: str = "2025-01-10", **fields: Any) -> list[Record]:
    """A renewed card, from the application to the hand-over."""
    said = {"given_name": "Pema", "family_name": "Example", "birth_date": "1990-05-17", "sex": "F"}
    said |= {"permanent_gewog_code": "BT1405", "village": "Example village"}
    at = [f"{day}T0{hour}:00:00+06:00" for hour in (3, 5, 7)]
    return [
        record(
            CID, number, f"{number}-1", at[0], step="submitted", cid=cid, application_type="renewal", **said | fields
        ),
        record(CID, number, f"{number}-2", at[1], step="approved", cid=cid),
        record(CID, number, f"{number}-3", at[2], step="handed_over", cid=cid),
    ]


def move(number: str, cid: str, to: str, day: str = "2025-02-10", **fields: Any) -> list[Record]:
    """A transfer, from the application to the registration, which names nobody."""
    common = {"to_gewog_code": to, "from_gewog_code": "BT1405"}
    return [
        record(
            TRANSFER, number, f"{number}-1", f"{day}T03:00:00Z", step="submitted", applicant_cid=cid, **common, **fields
        ),
        record(TRANSFER, number, f"{number}-2", f"{day}T05:00:00Z", step="registered"),
    ]


def visit(number: str, cid: str | None, day: str, *events: str, **fields: Any) -> list[Record]:
    given = {"cid": cid} if cid else {}
    return [
        record(VISIT, number, f"{number}-{n}", f"{day}T0{n}:00:00Z", event=event, **given, **fields)
        for n, event in enumerate(events, 1)
    ]
