"""Where somebody lived on a day, as known at an instant."""

import random
from datetime import date, timedelta

from lake_rows import START, TRANSFER, deletion, event, random_lake
from marts_file import MartsFile, Row

AS_KNOWN = """select person_key, gewog_code, valid_from_date, valid_to_date, application_id
    from marts.dim_residence_history
    where known_from_at <= '{at}' and (known_to_at is null or known_to_at > '{at}') order by all"""
NOW = "9999-01-01"


def transfer(name: str, offset: int, certificate: int, step: str, **fields: object) -> Row:
    return event(TRANSFER, name, offset, certificate, application_id=name, step=step, **fields)


def test_she_lived_there_as_was_known_then(marts_file: MartsFile) -> None:
    """Registered on 4 March, told 5 days later that it was 2 March and to another gewog."""
    moved = {"from_gewog_code": "BT0101", "to_gewog_code": "BT0201", "person_key": "p1"}
    asked = transfer("T-1", 0, 1, "submitted", event_date=date(2024, 3, 1), **moved)
    marts_file.certify(TRANSFER, [asked, transfer("T-1", 5, 1, "registered")])
    marts_file.dbt("run")
    right = {"corrects_event_id": f"{TRANSFER}-5", "event_date": date(2024, 3, 2), "to_gewog_code": "BT0301"}
    marts_file.certify(TRANSFER, [transfer("T-1", 120, 2, "registered", **right)])
    marts_file.dbt("run")

    def lived(day: str, known: str) -> list[tuple[object, ...]]:
        return marts_file.rows(f"""select gewog_code from marts.dim_residence_history where person_key = 'p1'
            and coalesce(valid_from_date <= '{day}', true) and coalesce(valid_to_date > '{day}', true)
            and known_from_at <= '{known}' and coalesce(known_to_at > '{known}', true)""")

    assert lived("2024-03-03", "2024-03-04 06:00:00Z") == []  # it was only asked for
    assert lived("2024-03-03", "2024-03-05") == [("BT0101",)]
    assert lived("2024-03-04", "2024-03-05") == [("BT0201",)]
    assert lived("2024-03-03", "2024-03-10") == [("BT0301",)]
    assert lived("2024-03-01", "2024-03-10") == [("BT0101",)]

    marts_file.certify(TRANSFER, [deletion("T-1", 130, 3)])
    marts_file.dbt("run")
    assert lived("2024-03-03", "2024-03-05") == [("BT0101",)]
    assert lived("2024-03-03", NOW) == []


def test_what_was_known_is_what_a_build_of_that_time_shows(marts_file: MartsFile) -> None:
    rows = random_lake(random.Random(20261125))[TRANSFER]
    marts_file.certify(TRANSFER, rows)
    marts_file.dbt("run", "--full-refresh")
    known = {hours: marts_file.rows(AS_KNOWN.format(at=START + timedelta(hours=hours))) for hours in (50, 120)}
    assert all(known.values())
    for hours, was_known in known.items():
        marts_file.forget(TRANSFER)
        marts_file.certify(TRANSFER, [row for row in rows if row["kafka_offset"] <= hours])
        marts_file.dbt("run", "--full-refresh")
        assert marts_file.rows(AS_KNOWN.format(at=NOW)) == was_known
        assert_current_moves_agree(marts_file)


def assert_current_moves_agree(marts_file: MartsFile) -> None:
    moves = "select person_key, application_id, to_gewog_code, moved_date from intermediate.int_residence_move order by all"
    claims = """select person_key, application_id, to_gewog_code, moved_date from intermediate.int_residence_claim
        where known_to_at is null order by all"""
    assert marts_file.rows(claims) == marts_file.rows(moves)
