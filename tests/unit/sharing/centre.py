"""A small centre that three consumers read: releases, a landed stream, two persons, and the service over them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi.testclient import TestClient

from datacentre.contracts import Contract, load_contracts
from datacentre.control import certificates
from datacentre.control.certificates import Judgement, Status
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.pseudonym import load_or_create
from datacentre.settings import Settings, from_environment
from datacentre.web.api_keys import KeyRing
from registry.golden.person import Attribute, Origin, Person, to_json
from registry.golden.store import writing
from sharing.access_keys import access_keys, create_access_key
from sharing.access_log.grouped import GroupedLog
from sharing.access_log.log import AccessLog
from sharing.agreements.model import Agreement, MartGrant, StreamGrant
from sharing.api.app import create_app
from sharing.api.desk import Desk
from sharing.catalogue import Catalogue
from sharing.cursor import CursorSeal
from sharing.forms import load_forms
from sharing.lookup import Lookup
from sharing.mart_docs import load_mart_docs
from sharing.mart_reader import MartReader
from sharing.persons import Persons
from sharing.pseudonyms import load_scope
from sharing.releases.projection import Projection
from sharing.releases.release import point_to, read_release, releases_of
from sharing.shared_marts import load_shared_marts
from sharing.shelves import Shelves
from tests.unit.stages.conftest import STREAM, lander

PEMA, NOBODY = "11111111111", "99999999999"
CASES, VISITS, SURVEY = "fct_service_case", "fct_hospital_visit", "fct_exit_survey_response"
PURPOSES = {"rcsc": "service-evaluation", "jdwnrh": "patient-registration", "pmo": "survey-trial"}
MARTS = {"rcsc": CASES, "jdwnrh": VISITS, "pmo": SURVEY}
COLUMNS = {
    CASES: ("application_id", "outcome"),
    VISITS: ("visit_id", "department_code"),
    SURVEY: ("response_id", "overall_rating"),
}
ROWS = 2_500


def agreement(consumer: str, expires: date = date(2099, 1, 1)) -> Agreement:
    purpose, mart = PURPOSES[consumer], MARTS[consumer]
    stream = {STREAM: StreamGrant((purpose,), ("event_id", "feedback_id", "rating"), "live")}
    attributes = ("given_name", "birth_date", "phone")
    return Agreement(
        id=f"{consumer}-1",
        consumer=consumer,
        title=consumer,
        legal_basis="",
        valid_from=date(2020, 1, 1),
        expires=expires,
        pseudonym_scope=consumer,
        purposes={purpose: "for this", "another": "for something else"},
        marts={mart: MartGrant((purpose,), COLUMNS[mart])},
        streams=stream if consumer == "rcsc" else {},
        lookups={purpose: attributes} if consumer == "jdwnrh" else {},
    )


@dataclass
class Centre:
    """`keys` are texts by consumer."""

    settings: Settings
    contracts: dict[str, Contract]
    agreements: dict[str, Agreement] = field(default_factory=lambda: {c: agreement(c) for c in PURPOSES})
    keys: dict[str, str] = field(default_factory=dict)

    def make_key(self, consumer: str, days: int = 1) -> tuple[str, str]:
        purposes = list(self.agreements[consumer].purposes)
        keys, now = access_keys(self.settings.home), datetime.now(UTC)
        key, text = create_access_key(keys, self.agreements[consumer], purposes, days, now)
        return key.id, text

    def headers(self, consumer: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[consumer]}", "X-Purpose": PURPOSES[consumer]}

    def certify(self, *ranges: OffsetRange) -> None:
        with opened(self.settings.control_url) as control:
            certificates.record(control, STREAM, ranges, Judgement(Status.PASSED, "", (), "", "", 0))

    @contextmanager
    def client(self) -> Iterator[TestClient]:
        """The service from its start to its end; every client is a restart."""
        home, log = self.settings.home, GroupedLog(AccessLog(self.settings.home))
        with opened(self.settings.control_url) as control:
            forms, docs = load_forms(self.settings.schemas), load_mart_docs(self.settings.dbt_project)
            seal = CursorSeal(home)
            lookup = Lookup.over(Persons(home), load_or_create(home, False), self.contracts.values())
            shelves = Shelves(
                home=home,
                lake=self.settings.lake,
                control=control,
                contracts=self.contracts,
                agreements=lambda: self.agreements,
                seal=seal,
                marts=MartReader(home, self.settings.dbt_project, seal),
                lookup=lookup,
                forms=forms,
                catalogue=Catalogue(home, control, self.contracts, docs, forms),
            )
            with TestClient(create_app(Desk(shelves, KeyRing(access_keys(home)), log))) as client:
                yield client
        log.close()


def centre_in(home: Path) -> Centre:
    settings = from_environment({"DATACENTRE_HOME": str(home)})
    centre = Centre(settings, load_contracts(settings.schemas))
    for consumer, mart in MARTS.items():
        write_release(settings, consumer, 1, mart, f"{consumer}-")
        centre.keys[consumer] = centre.make_key(consumer)[1]
    lander(settings, centre.contracts[STREAM])(0, 0, 50)
    centre.certify(OffsetRange(0, 0, 40))
    write_person(settings)
    return centre


def write_release(
    settings: Settings, consumer: str, number: int, mart: str, prefix: str, given: MartGrant | None = None
) -> None:
    """Rows whose first column begins with `prefix`, in small row groups."""
    folder = releases_of(settings.home, consumer) / str(number)
    folder.mkdir(parents=True)
    key, value = COLUMNS[mart]
    table = pa.table({key: [f"{prefix}{n:06d}" for n in range(ROWS)], value: [f"v{n % 7}" for n in range(ROWS)]})
    pq.write_table(table, folder / f"{mart}.parquet", row_group_size=400)
    shared = load_shared_marts(settings.dbt_project)[mart]
    manifest = {
        "number": number,
        "created_at": datetime.now(UTC).isoformat(),
        "pseudonym_scope": consumer,
        "key_id": load_scope(settings.home, consumer).key_id,
        "marts": {mart: {"rules": Projection(shared, given or agreement(consumer).marts[mart]).rules}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    point_to(read_release(folder, consumer))


def write_person(settings: Settings) -> None:
    key = load_or_create(settings.home, False).pseudonym(PEMA)
    origin = Origin("dcrc__cid_issuance", "dcrc/cid", "e1", 0, 7, date(2024, 5, 1), datetime(2024, 5, 2, tzinfo=UTC))
    attributes = {
        "given_name": Attribute("Pema", origin, "authoritative", "the only one"),
        "birth_date": Attribute("1990-05-17", origin, "authoritative", "the only one"),
        "village": Attribute("Lobesa", origin, "authoritative", "the only one"),
    }
    with writing(settings.home) as store:
        store.write([(key, to_json(Person(key, attributes)))])
