"""What a release holds, and when there is a new one."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datacentre.errors import AccessDenied, CheckFailed, ContractError, SourceUnavailable
from datacentre.file_lock import locked
from sharing.pseudonyms import load_scope, rotate_scope
from sharing.releases.release import current_release, kept_releases, last_release, point_to
from sharing.releases.retention import keep_newest, withdraw
from tests.unit.sharing.releases import MARTS, PERSONS, VISITS, House, agreement, grant, rows_of, visit

COLUMNS = ("visit_id", "person_key", "department_code", "visit_date", "arrived_at", "wait_minutes")
LAB = agreement("lab", {VISITS: grant(*COLUMNS, row_filter="department_code = 'OPD-EYE'")})


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.publish(**{VISITS: [visit(number) for number in range(12)]})
    return made


def test_it_holds_the_granted_rows_and_columns_and_nothing_else(house: House) -> None:
    release = house.release(LAB)
    assert release is not None
    assert sorted(f.name for f in release.folder.iterdir()) == [f"{VISITS}.parquet", "manifest.json"]
    assert pq.read_schema(release.file(VISITS)).names == list(COLUMNS)
    rows = rows_of(release, VISITS)
    assert len(rows) == 4
    assert {row["department_code"] for row in rows} == {"OPD-EYE"}
    assert b"V-1" not in release.file(VISITS).read_bytes()


def test_what_identifies_leaves_as_tokens_and_instants_by_the_hour(house: House) -> None:
    scope = load_scope(house.home, "lab")
    rows = {row["visit_id"]: row for row in rows_of(house.release(LAB), VISITS)}
    row = rows[scope.token("visit", "V-4")]
    assert row["person_key"] == scope.token("person", f"{4:064x}")
    assert row["arrived_at"] == datetime(2026, 2, 1, 9, tzinfo=UTC)
    assert row["wait_minutes"] == 12.0
    assert row["visit_date"] == date(2026, 2, 5)


def test_rows_are_sorted_by_the_key_that_the_manifest_names(house: House) -> None:
    release = house.release(LAB)
    assert release is not None
    assert release.manifest["marts"][VISITS]["row_key"] == ["visit_id"]
    tokens = [row["visit_id"] for row in rows_of(release, VISITS)]
    assert tokens == sorted(tokens)


def test_without_the_key_the_order_tells_nothing_of_it(house: House) -> None:
    house.publish(**{VISITS: [visit(n, department_code=d) for n, d in ((3, "A"), (2, "B"), (1, "A"))]})
    release = house.release(agreement("lab", {VISITS: grant("department_code")}))
    assert release is not None
    assert release.manifest["marts"][VISITS]["row_key"] == []
    assert [row["department_code"] for row in rows_of(release, VISITS)] == ["A", "A", "B"]


def test_the_manifest_says_what_it_is_and_where_from(house: House) -> None:
    release = house.release(LAB)
    assert release is not None
    manifest = json.loads((release.folder / "manifest.json").read_text())
    assert manifest["number"] == 1
    assert manifest["agreement"]["id"] == "lab-1"
    assert manifest["key_id"] == load_scope(house.home, "lab").key_id
    assert manifest["from"] == {
        "marts_version": "centre-00000001.duckdb",
        "certificates_to": 7,
        "offsets": {"jdwnrh__hospital_visit": {"0": [0, 40]}},
    }
    said = manifest["marts"][VISITS]
    assert (said["rows"], said["sha256"]) == (4, sha256(release.file(VISITS).read_bytes()).hexdigest())


def test_lists_of_persons_leave_as_tokens_too(tmp_path: Path) -> None:
    house = House(tmp_path)
    streams = ["a__b", "c__d"]
    house.publish(**{PERSONS: [{"person_key": "ab", "stream_keys": streams, "sex": "F"}]})
    (row,) = rows_of(house.release(agreement("lab", {PERSONS: grant("person_key", "stream_keys")})), PERSONS)
    assert row == {"person_key": load_scope(house.home, "lab").token("person", "ab"), "stream_keys": streams}


def test_the_same_again_is_no_new_release(house: House) -> None:
    first = house.release(LAB)
    house.publish()
    assert house.release(LAB) is None
    assert current_release(house.home, "lab") == first


def test_rows_that_the_consumer_does_not_get_make_no_new_release(house: House) -> None:
    house.release(LAB)
    house.publish(**{VISITS: [*house.rows[VISITS], visit(99, department_code="EMG-ADU")]})
    assert house.release(LAB) is None
    house.publish(**{VISITS: [*house.rows[VISITS], visit(98, department_code="OPD-EYE")]})
    assert len(rows_of(house.release(LAB), VISITS)) == 5


def test_another_agreement_is_another_release_with_the_same_files(house: House) -> None:
    first, second = house.release(LAB), house.release(replace(LAB, title="Trials"))
    assert first is not None
    assert second is not None
    assert second.number == 2
    assert first.file(VISITS).samefile(second.file(VISITS))


def test_readers_of_an_old_release_keep_it(house: House) -> None:
    first = house.release(LAB)
    assert first is not None
    opened = pq.ParquetFile(first.file(VISITS))
    house.publish(**{VISITS: []})
    assert rows_of(house.release(LAB), VISITS) == []
    assert opened.read().num_rows == len(rows_of(first, VISITS)) == 4


def test_a_process_that_ended_before_the_pointer_is_made_up_for(house: House) -> None:
    first = house.release(LAB)
    house.publish(**{VISITS: []})
    second = house.release(LAB)
    assert first is not None
    point_to(first)
    assert house.release(LAB) is None
    assert current_release(house.home, "lab") == second


def test_one_that_was_cut_short_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = house.release(LAB)
    house.publish(**{VISITS: []})
    monkeypatch.setattr("sharing.releases.compile.synced", _fails)
    with pytest.raises(OSError, match="disk"):
        house.release(LAB)
    monkeypatch.undo()
    assert current_release(house.home, "lab") == first == last_release(house.home, "lab")
    assert not (house.home / "releases" / "lab" / ".draft").exists()


def _fails(path: Path) -> None:
    raise OSError("the disk is full")


@pytest.mark.parametrize("day", [date(2025, 12, 31), date(2027, 1, 1)])
def test_an_agreement_that_does_not_hold_releases_nothing(house: House, day: date) -> None:
    with pytest.raises(AccessDenied, match="doesn't hold on"):
        house.compiler().release(LAB, datetime(day.year, day.month, day.day, tzinfo=UTC))
    assert not (house.home / "releases").exists()


def test_nothing_is_released_before_the_first_build(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="nothing is built yet"):
        House(tmp_path).release(LAB)


def test_one_at_a_time(house: House) -> None:
    with locked(house.home / "releases" / "lab" / ".lock"), pytest.raises(SourceUnavailable, match="another release"):
        house.release(LAB)


def test_a_rotation_gives_other_tokens_and_a_crosswalk_of_what_the_consumer_had(house: House) -> None:
    old_scope = load_scope(house.home, "lab")
    old = rows_of(house.release(LAB), VISITS)
    new_scope = rotate_scope(house.home, "lab", "a laptop was lost", has_crosswalk=True)
    house.publish(**{VISITS: [*house.rows[VISITS][1:], visit(22)]})
    release = house.release(LAB)
    assert release is not None
    new = rows_of(release, VISITS)
    assert release.manifest["key_id"] == new_scope.key_id
    assert not _tokens(old) & _tokens(new)
    crosswalk = pq.read_table(release.folder / "crosswalk.parquet").to_pylist()
    assert release.manifest["crosswalk"]["from_key"] == old_scope.key_id
    had = [("visit", f"V-{n}") for n in (1, 4, 7, 10)] + [("person", f"{n % 7:064x}") for n in (1, 4, 7, 10)]
    has = [("visit", f"V-{n}") for n in (1, 4, 7, 10, 22)] + [("person", f"{n % 7:064x}") for n in (1, 4, 7, 10, 22)]
    expected = {(kind, old_scope.token(kind, v), new_scope.token(kind, v)) for kind, v in {*had} & {*has}}
    assert {tuple(row.values()) for row in crosswalk} == expected
    assert len(crosswalk) == len(expected)


def test_an_older_scopes_file_does_not_bring_old_tokens_back(house: House) -> None:
    since = load_scope(house.home, "lab").keys[0].since
    file = house.home / "keys" / "scopes" / "lab.json"
    backup = file.read_text().replace(since, "2020-01-01T00:00:00+00:00")
    rotate_scope(house.home, "lab", "a laptop was lost")
    house.release(LAB)
    file.write_text(backup)
    with pytest.raises(ContractError, match=r"lab\.json: .* rotate"):
        house.release(LAB)
    key = rotate_scope(house.home, "lab", "an older backup was restored", has_crosswalk=True).keys[-1]
    release = house.release(LAB)
    assert release is not None
    assert (release.manifest["key_id"], release.manifest["crosswalk"]) == (key.id, None)


def test_a_key_that_is_not_unique_as_it_leaves_is_not_named(house: House) -> None:
    stay = {"person_key": "ab", "valid_from_date": date(2026, 1, 1), "gewog_code": "BT0101"}
    hours = [datetime(2026, 2, 1, 9, minute, tzinfo=UTC) for minute in (1, 2)]
    house.publish(dim_residence_history=[stay | {"known_from_at": hour} for hour in hours])
    columns = ("person_key", "known_from_at", "valid_from_date")
    release = house.release(agreement("lab", {"dim_residence_history": grant(*columns)}))
    assert release is not None
    assert release.manifest["marts"]["dim_residence_history"]["row_key"] == []
    assert len(rows_of(release, "dim_residence_history")) == 2


def test_a_rotation_without_a_crosswalk_has_none(house: House) -> None:
    old = rows_of(house.release(LAB), VISITS)
    rotate_scope(house.home, "lab", "a laptop was lost")
    release = house.release(LAB)
    assert release is not None
    assert not _tokens(old) & _tokens(rows_of(release, VISITS))
    assert release.manifest["crosswalk"] is None
    assert not (release.folder / "crosswalk.parquet").exists()


def _tokens(rows: list[dict[str, object]]) -> set[object]:
    return {row[name] for row in rows for name in ("visit_id", "person_key")}


def test_old_releases_stay_for_a_day_after_they_were_followed(house: House) -> None:
    for number in range(6):
        house.publish(**{VISITS: [visit(1, visit_type=str(number))]})
        house.release(replace(LAB, marts={VISITS: grant("visit_id", "visit_type")}))
    assert keep_newest(house.home, "lab", house.now + timedelta(hours=23)) == ()
    gone = keep_newest(house.home, "lab", house.now + timedelta(hours=25))
    assert gone == (1, 2, 3)
    assert [release.number for release in kept_releases(house.home, "lab")] == [4, 5, 6]
    assert current_release(house.home, "lab").number == 6


def test_what_was_withdrawn_is_denied_and_deleted_a_day_later(house: House) -> None:
    house.release(LAB)
    assert withdraw(house.home, "lab")
    assert not withdraw(house.home, "lab")
    with pytest.raises(AccessDenied, match="nothing is released"):
        current_release(house.home, "lab")
    today = datetime.now(UTC)
    assert keep_newest(house.home, "lab", today + timedelta(hours=23)) == ()
    assert len(keep_newest(house.home, "lab", today + timedelta(hours=25))) == 1
    assert list((house.home / "releases" / "lab").glob("[0-9]*")) == []


def test_an_agreement_that_holds_again_is_released_again(house: House) -> None:
    first = house.release(LAB)
    withdraw(house.home, "lab")
    assert house.release(LAB) is None
    assert current_release(house.home, "lab") == first


def test_every_mart_can_be_released_whole(house: House) -> None:
    whole = {mart.name: grant(*mart.leaving.columns) for mart in MARTS.values()}
    release = house.release(agreement("lab", whole))
    assert release is not None
    assert set(release.marts) == set(MARTS)
