"""A home with a registry and one released mart, and the service over it."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datacentre.contracts import load_contracts
from datacentre.control.store import opened
from datacentre.pseudonym import load_or_create
from datacentre.settings import REPOSITORY, from_environment
from registry.golden.person import Attribute, Origin, Person, to_json
from registry.golden.store import writing
from sharing.access_keys import access_keys, create_access_key
from sharing.agreements.model import Agreement, MartGrant
from sharing.api.server import serve
from sharing.catalogue import Catalogue
from sharing.cursor import CursorSeal
from sharing.lookup import Lookup
from sharing.mart_reader import MartReader
from sharing.persons import Persons
from sharing.releases.projection import Projection
from sharing.releases.release import point_to, read_release, releases_of
from sharing.shared_marts import load_shared_marts
from sharing.shelves import Shelves

CONSUMER, PURPOSE, MART = "jdwnrh", "patient-registration", "fct_hospital_visit"
COLUMNS = ("visit_id", "person_key", "department_code", "visit_type", "visit_date", "wait_minutes", "triage")
ATTRIBUTES = ("given_name", "family_name", "birth_date", "sex", "residence_gewog_code", "phone")
GROUP_ROWS = 65_536
"""As many as a release has in a row group."""

_DEPARTMENTS = ("OPD-GEN", "OPD-MED", "OPD-EYE", "OPD-ENT")
_TYPES = ("new", "follow_up", "walk_in")
AGREEMENT = Agreement(
    id="bench-1",
    consumer=CONSUMER,
    title="Load",
    legal_basis="",
    valid_from=date(2020, 1, 1),
    expires=date(2099, 1, 1),
    pseudonym_scope=CONSUMER,
    purposes={PURPOSE: "Load"},
    marts={MART: MartGrant((PURPOSE,), COLUMNS)},
    streams={},
    lookups={PURPOSE: ATTRIBUTES},
)


def cid(number: int) -> str:
    return f"{10_000_000_000 + number}"


def write_persons(home: Path, count: int) -> None:
    """Golden records with six attributes each."""
    key = load_or_create(home, False)
    with writing(home) as store:
        store.write(_documents(key.pseudonym, count))


def _documents(pseudonym: Callable[[str], str], count: int) -> Iterator[tuple[str, bytes]]:
    known = datetime(2026, 1, 1, tzinfo=UTC)
    because = "newest issuance that was handed over; earlier ones say the same"
    for number in range(count):
        person_key = pseudonym(cid(number))
        origin = Origin("dcrc__cid_issuance", "dcrc/cid", f"e{number}", number % 4, number, date(2025, 3, 1), known)
        said = {name: Attribute(f"{name} {number}", origin, "authoritative", because) for name in ATTRIBUTES}
        yield person_key, to_json(Person(person_key, said))


def write_release(home: Path, rows: int) -> Path:
    """A mart of visits under tokens, sorted by its key, as a release has it; returns the file."""
    folder = releases_of(home, CONSUMER) / "1"
    folder.mkdir(parents=True)
    chance = np.random.default_rng(7)
    table = pa.table(
        {
            "visit_id": sorted(_token(f"v{n}") for n in range(rows)),
            "person_key": pa.array([_token(f"p{n % (rows // 4)}") for n in range(rows)]),
            "department_code": pa.array(
                np.array(["OPD-GEN", "OPD-MED", "OPD-EYE", "OPD-ENT"])[chance.integers(0, 4, rows)]
            ),
            "visit_type": pa.array(np.array(["new", "follow_up", "walk_in"])[chance.integers(0, 3, rows)]),
            "visit_date": pa.array(chance.integers(19_000, 20_500, rows).astype("int32")).cast(pa.date32()),
            "wait_minutes": pa.array(chance.integers(0, 240, rows) / 2),
            "triage": pa.array(chance.integers(1, 6, rows)),
        }
    )
    file = folder / f"{MART}.parquet"
    pq.write_table(table, file, row_group_size=GROUP_ROWS, compression="zstd")
    shared = load_shared_marts(REPOSITORY / "dbt_project")[MART]
    rules = Projection(shared, AGREEMENT.marts[MART]).rules
    manifest = {"number": 1, "marts": {MART: {"rules": rules}}, "created_at": datetime.now(UTC).isoformat()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    point_to(read_release(folder, CONSUMER))
    return file


def _token(value: str) -> str:
    """As long as those of a scope."""
    return sha256(value.encode()).hexdigest()[:32]


def make_key(home: Path) -> str:
    return create_access_key(access_keys(home), AGREEMENT, [PURPOSE], 1, datetime.now(UTC))[1]


def run_service(home: Path, port: int) -> None:
    """In this process, until SIGTERM; everything but the agreement's file is as `datacentre serve` has it."""
    settings = from_environment({"DATACENTRE_HOME": str(home)})
    contracts, seal = load_contracts(settings.schemas), CursorSeal(home)
    with opened(settings.control_url) as control:
        shelves = Shelves(
            home=home,
            lake=settings.lake,
            control=control,
            contracts=contracts,
            agreements=lambda: {CONSUMER: AGREEMENT},
            seal=seal,
            marts=MartReader(home, settings.dbt_project, seal),
            lookup=Lookup.over(Persons(home), load_or_create(home, True), contracts.values()),
            forms={},
            catalogue=Catalogue(home, control, contracts, {}, {}),
        )
        serve(shelves, "127.0.0.1", port)


if __name__ == "__main__":
    run_service(Path(sys.argv[1]), int(sys.argv[2]))
