"""What was asked again: whatever an authority, or the same stream before, had been told already."""

from typing import Any

import duckdb
from small_lake import CID, PEMA, SONAM, TRANSFER, VISIT, SmallLake, card, move, record, visit

from lake.asked_rows import follow_askings, forget_asked_records
from lake.certified_rows import certified_file
from registry.golden.statements import work_file

KNOWN = "was_known, was_equal, known_from_stream"


def asked(lake: SmallLake, record_key: str, columns: str = KNOWN) -> dict[str, tuple[Any, ...]]:
    """By field of a case, as the marts will read it."""
    with duckdb.connect(str(certified_file(lake.home / "marts")), read_only=True) as copy:
        rows = copy.execute(f"select field, {columns} from asked_field where record_key = $1", [record_key]).fetchall()
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1:] for row in rows}


def test_the_hospital_asks_for_what_the_register_knows(small_lake: SmallLake) -> None:
    small_lake.send(card("CID-1", PEMA))
    said = {"patient_name": "PEMA  example", "birth_date": "1990-05-18", "sex": "F", "phone": "+97517000001"}
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "booked", "arrived", **said))
    small_lake.send(visit("V-2", PEMA, "2025-04-01", "booked", phone="+97517000001"))
    small_lake.refresh()
    assert set(asked(small_lake, "CID-1").values()) == {(False, False, None)}
    assert asked(small_lake, "V-1") == {
        "patient_name": (True, True, CID),
        "birth_date": (True, False, CID),
        "sex": (True, True, CID),
        "phone": (False, False, None),
    }
    assert asked(small_lake, "V-2") == {"phone": (True, True, VISIT)}


def test_the_step_that_says_it_first_asks(small_lake: SmallLake) -> None:
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "booked", "arrived", "consultation_started", sex="F"))
    small_lake.refresh()
    assert asked(small_lake, "V-1", "kafka_offset, was_known") == {"sex": (0, False)}


def test_who_is_no_authority_is_not_asked_instead(small_lake: SmallLake) -> None:
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "arrived", sex="F"))
    small_lake.send(card("CID-1", PEMA))
    small_lake.refresh()
    assert asked(small_lake, "CID-1")["sex"] == (False, False, None)


def test_nobody_can_look_up_what_came_later(small_lake: SmallLake) -> None:
    """The visit happened after the card was asked for, and Kafka had it before."""
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "arrived", sex="F"))
    small_lake.send(card("CID-1", PEMA, "2025-01-10"))
    small_lake.send(card("CID-2", PEMA, "2026-01-10", village="Elsewhere"))
    small_lake.refresh()
    assert asked(small_lake, "V-1") == {"sex": (False, False, None)}
    assert asked(small_lake, "CID-2")["sex"] == (True, True, CID)
    assert asked(small_lake, "CID-2")["village"] == (True, False, CID)


def test_a_family_s_form_asks_once(small_lake: SmallLake) -> None:
    small_lake.send(move("CT-1", PEMA, "BT0803", household_number="H-1", member_cids=[SONAM])[:1])
    small_lake.send(move("CT-2", SONAM, "BT0104", household_number="H-1")[:1])
    small_lake.refresh()
    assert asked(small_lake, "CT-1") == {"household_number": (False, False, None)}
    assert asked(small_lake, "CT-2") == {"household_number": (True, True, TRANSFER)}


def test_increments_follow_corrections_and_deletions(small_lake: SmallLake) -> None:
    copy = certified_file(small_lake.home / "marts")
    small_lake.send(card("CID-1", PEMA))
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "arrived", sex="M"))
    small_lake.refresh()
    assert asked(small_lake, "V-1") == {"sex": (True, False, CID)}
    forget_asked_records(copy)
    small_lake.send(
        [record(VISIT, "V-1", "V-1-9", "2025-03-02", event="arrived", cid=PEMA, sex="F", corrects_event_id="V-1-1")]
    )
    small_lake.refresh()
    assert asked(small_lake, "V-1") == {"sex": (True, True, CID)}
    small_lake.send([(CID, "CID-1", None)])
    small_lake.refresh()
    assert asked(small_lake, "CID-1") == {}
    assert asked(small_lake, "V-1") == {"sex": (False, False, None)}
    with duckdb.connect(str(copy), read_only=True) as connection:
        changed = set(connection.execute("from asked_record").fetchall())
    assert changed == {(VISIT, "V-1"), (CID, "CID-1")}


def test_a_copy_that_was_made_anew_is_filled(small_lake: SmallLake) -> None:
    small_lake.send(visit("V-1", PEMA, "2025-03-01", "arrived", sex="M"))
    small_lake.refresh()
    copy = certified_file(small_lake.home / "marts")
    copy.unlink()
    follow_askings(copy, work_file(small_lake.home))
    assert asked(small_lake, "V-1") == {"sex": (False, False, None)}
