"""Every pair of consumers: through its files, none gets anything of the other's."""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datacentre.contracts import load_contracts
from datacentre.errors import AccessDenied
from datacentre.settings import REPOSITORY
from sharing.agreements import load_agreements
from sharing.agreements.row_filter import check_row_filter
from sharing.pseudonyms import load_scope
from sharing.releases.release import Release
from tests.unit.sharing.releases import CASES, MARTS, VISITS, House, agreement, grant, rows_of, visit

SCHEMAS = REPOSITORY / "schemas"
ALL_OF_VISITS = {VISITS: grant(*MARTS[VISITS].leaving.columns)}
AGREEMENTS = load_agreements(SCHEMAS, load_contracts(SCHEMAS)) | {
    # Two that have the same rows and columns: only their scopes are apart.
    "north": agreement("north", ALL_OF_VISITS, expires=date(2099, 1, 1)),
    "south": agreement("south", ALL_OF_VISITS, expires=date(2099, 1, 1)),
}
PAIRS = list(permutations(AGREEMENTS, 2))
IDENTIFIERS = [f"{name}-{n}" for n in range(12) for name in ("V", "A", "F", "R")] + [f"{n:064x}" for n in range(7)]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Release]:
    house = House(tmp_path_factory.mktemp("pairs"))
    person = [f"{n % 7:064x}" for n in range(12)]
    house.publish(
        fct_hospital_visit=[visit(n) for n in range(12)],
        fct_service_case=[
            {"stream_key": "dcrc__cid_issuance", "application_id": f"A-{n}", "person_key": person[n]} for n in range(12)
        ],
        fct_service_feedback=[
            {"feedback_id": f"F-{n}", "application_id": f"A-{n}", "person_key": person[n], "rating": n % 5 + 1}
            for n in range(12)
        ],
        fct_exit_survey_response=[{"response_id": f"R-{n}", "overall_rating": n % 5 + 1} for n in range(12)],
        agg_department_day=[{"department_code": "OPD-EYE", "visit_date": date(2026, 2, 1), "visits": 3}],
    )
    made = {name: house.release(agreement) for name, agreement in AGREEMENTS.items()}
    return {name: release for name, release in made.items() if release is not None}


def test_every_consumer_has_a_release_with_rows(releases: dict[str, Release]) -> None:
    assert set(releases) == set(AGREEMENTS)
    for name, release in releases.items():
        assert all(rows_of(release, mart) for mart in AGREEMENTS[name].marts), name


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_they_have_no_value_that_identifies_in_common(releases: dict[str, Release], one: str, other: str) -> None:
    common = set(_tokens(releases[one])) & set(_tokens(releases[other]))
    assert set(_tokens(releases[one]))
    assert common == set()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_none_has_a_file_or_a_word_of_the_other(releases: dict[str, Release], one: str, other: str) -> None:
    own, others = _files(releases[one]), _files(releases[other])
    assert not {f.stat().st_ino for f in own} & {f.stat().st_ino for f in others}
    assert not any(f.is_symlink() for f in own)
    manifest = (releases[one].folder / "manifest.json").read_text()
    assert AGREEMENTS[other].id not in manifest
    assert releases[other].manifest["key_id"] not in manifest


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_what_the_other_has_is_denied_by_name(releases: dict[str, Release], one: str, other: str) -> None:
    theirs = set(AGREEMENTS[other].marts) - set(AGREEMENTS[one].marts)
    path = f"../../{other}/{releases[other].folder.name}"
    for name in (*theirs, *(f"{path}/{mart}" for mart in AGREEMENTS[other].marts)):
        with pytest.raises(AccessDenied):
            releases[one].file(name)


@pytest.mark.parametrize("name", AGREEMENTS)
def test_files_hold_the_granted_columns_and_rows_only(releases: dict[str, Release], name: str) -> None:
    release = releases[name]
    assert {f.name for f in _files(release)} == {f"{mart}.parquet" for mart in AGREEMENTS[name].marts} | {
        "manifest.json"
    }
    for mart, granted in AGREEMENTS[name].marts.items():
        assert tuple(pq.read_schema(release.file(mart)).names) == granted.columns
    if name == "pmo":
        codes = {row["department_code"] for row in rows_of(release, VISITS)}
        assert codes == {"OPD-GEN", "OPD-EYE"}


@pytest.mark.parametrize("name", AGREEMENTS)
def test_nothing_that_identifies_or_joins_is_in_a_file(releases: dict[str, Release], name: str) -> None:
    values = [v for mart in AGREEMENTS[name].marts for row in rows_of(releases[name], mart) for v in _single(row)]
    assert not set(map(str, values)) & set(IDENTIFIERS)
    assert all(v.minute == v.second == v.microsecond == 0 for v in values if isinstance(v, datetime))


def test_two_with_the_same_grant_cannot_pair_rows_by_their_order(releases: dict[str, Release]) -> None:
    north, south = (load_scope(releases[n].folder.parents[2], n) for n in ("north", "south"))
    visits = [f"V-{n}" for n in range(12)]
    found = {n: [row["visit_id"] for row in rows_of(releases[n], VISITS)] for n in ("north", "south")}
    assert found["north"] == sorted(north.token("visit", v) for v in visits)
    assert found["south"] == sorted(south.token("visit", v) for v in visits)


def test_equal_scopes_join(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.publish(
        fct_hospital_visit=[visit(1)], fct_service_case=[{"application_id": "A-1", "person_key": f"{1:064x}"}]
    )
    one = house.release(agreement("east", {VISITS: grant("person_key")}, pseudonym_scope="study"))
    other = house.release(agreement("west", {CASES: grant("person_key")}, pseudonym_scope="study"))
    assert rows_of(one, VISITS) == rows_of(other, CASES)


_COLUMNS = {"department_code": st.sampled_from(["OPD-GEN", "OPD-EYE", None]), "triage": st.none() | st.integers(1, 5)}
_ROWS = st.lists(st.fixed_dictionaries({**_COLUMNS, "is_walk_in": st.none() | st.booleans()}), max_size=8)
_ATOMS = st.sampled_from(
    (
        "department_code = 'OPD-GEN'",
        "department_code in ('OPD-GEN', 'OPD-EYE')",
        "department_code like 'OPD%'",
        "triage > 2",
        "triage is null",
        "triage between 2 and 4",
        "is_walk_in",
        "false",
    )
)
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("{} or {}".format, inner, inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=5,
)


@given(rows=_ROWS, condition=_CONDITIONS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_outside_of_a_filter_is_released(
    rows: list[dict[str, Any]], condition: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_row_filter(condition, MARTS[VISITS].columns)
    house = House(tmp_path_factory.mktemp("filter"))
    given_rows = [row | {"visit_id": f"V-{n}"} for n, row in enumerate(rows)]
    house.publish(**{VISITS: given_rows})
    release = house.release(agreement("lab", {VISITS: grant("visit_id", row_filter=condition)}))
    scope = load_scope(house.home, "lab")
    inside = {scope.token("visit", row["visit_id"]) for row in given_rows if _is_true(condition, row)}
    assert {row["visit_id"] for row in rows_of(release, VISITS)} == inside


def _is_true(condition: str, row: dict[str, Any]) -> bool:
    """By itself, over one row of parameters."""
    with duckdb.connect() as connection:
        named = "select $department_code::varchar, $triage::bigint, $is_walk_in::boolean"
        columns = "row (department_code, triage, is_walk_in)"
        query = f"select coalesce(({condition}), false) from ({named}) as {columns}"
        given_values = {name: row[name] for name in ("department_code", "triage", "is_walk_in")}
        return bool(connection.execute(query, given_values).fetchall()[0][0])


def _files(release: Release) -> list[Path]:
    return sorted(release.folder.iterdir())


def _tokens(release: Release) -> Iterator[str]:
    """All values of the columns that identify."""
    for mart in release.marts:
        for row in rows_of(release, mart):
            yield from (row[name] for name in MARTS[mart].leaving.as_tokens if row.get(name) is not None)


def _single(row: dict[str, Any]) -> Iterator[Any]:
    for value in row.values():
        yield from value if isinstance(value, list) else [value]
