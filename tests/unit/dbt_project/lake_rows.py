"""Landed rows, written by hand or drawn at random."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
START = datetime(2024, 3, 4, 3, 0, tzinfo=UTC)
CID, TRANSFER, VISIT = "dcrc__cid_issuance", "dcrc__census_transfer", "jdwnrh__hospital_visit"
FEEDBACK, SURVEY, DEPARTURES = "rcsc__service_feedback", "dot__exit_survey", "dot__departures"
VOTE = "pmo__deliberation_vote"


def event(key: str, record_key: str, offset: int, certificate: int, **fields: Any) -> Row:
    """A landed row of partition 0, sent `offset` hours after the start."""
    at = START + timedelta(hours=offset)
    row = {
        "kafka_partition": 0,
        "kafka_offset": offset,
        "broker_time": at,
        "ingest_date": at.date(),
        "record_key": record_key,
        "is_deleted": False,
        "has_identity": False,
        "schema_version": f"{key}@1.0.0",
        "event_id": f"{key}-{offset}",
        "source": "test",
        "event_time": at,
        "event_date": at.date(),
        "certificate_id": certificate,
    }
    return row | fields


def deletion(record_key: str, offset: int, certificate: int) -> Row:
    kept = ("kafka_partition", "kafka_offset", "broker_time", "ingest_date", "record_key", "certificate_id")
    row = event("", record_key, offset, certificate)
    return {name: row[name] for name in kept} | {"is_deleted": True, "has_identity": False}


def step(application: str, offset: int, certificate: int, step: str, **fields: Any) -> Row:
    return event(CID, application, offset, certificate, application_id=application, step=step, **fields)


def visit(name: str, offset: int, certificate: int, what: str, **fields: Any) -> Row:
    return event(VISIT, name, offset, certificate, visit_id=name, event=what, **fields)


def feedback(name: str, offset: int, certificate: int, **fields: Any) -> Row:
    values = {"feedback_id": name, "service_code": "cid-lost", "rating": 4} | fields
    return event(FEEDBACK, name, offset, certificate, **values)


def random_lake(dice: random.Random) -> dict[str, list[Row]]:
    """Seven streams with duplicates, corrections (also under another key), deletions and a late range."""
    gewogs = ("BT0101", "BT0201", "BT0301")

    def person() -> str | None:
        return dice.choice([None, *(f"p{n}" for n in range(12))])

    def cid() -> dict[str, Any]:
        return {
            "step": dice.choice(["submitted", "approved", "printed", "handed_over", "rejected"]),
            "application_type": dice.choice([None, "lost", "first"]),
            "permanent_gewog_code": dice.choice(gewogs),
            "birth_year": 1970 + dice.randrange(40),
            "person_key": person(),
        }

    def move() -> dict[str, Any]:
        return {
            "step": dice.choice(["submitted", "origin_verified", "registered"]),
            "from_gewog_code": dice.choice(gewogs),
            "to_gewog_code": dice.choice(gewogs),
            "member_person_keys": dice.choice([None, ["p1", "p2"], ["p3"]]),
            "person_key": person(),
        }

    def seen() -> dict[str, Any]:
        what = dice.choice(["booked", "moved", "cancelled", "arrived", "consultation_started", "no_show"])
        slot = (START + timedelta(days=dice.randrange(10))).date() if what in ("booked", "moved") else None
        department = dice.choice([None, "OPD-GEN", "OPD-MED"])
        return {"event": what, "slot_date": slot, "department_code": department, "person_key": person()}

    def rated() -> dict[str, Any]:
        about = f"K-{dice.randrange(25)}"
        service = dice.choice(["cid-lost", "census-transfer"])
        return {"application_id": about, "service_code": service, "rating": 3, "person_key": person()}

    def answered() -> dict[str, Any]:
        return {"nights": dice.randrange(9), "spend_food_usd": dice.choice([None, 7.5]), "survey_version": "v1"}

    def departed() -> dict[str, Any]:
        group = dice.choice(["india", "bangladesh"])
        return {"nationality_group": group, "purpose": "leisure", "passengers": dice.randrange(90)}

    def voted() -> dict[str, Any]:
        statement = dice.choice(["s1", "s2"])
        return {"conversation_id": "roads", "statement_id": statement, "vote": dice.choice(["agree", "pass"])}

    makers = {
        CID: ("application_id", cid),
        TRANSFER: ("application_id", move),
        VISIT: ("visit_id", seen),
        FEEDBACK: ("feedback_id", rated),
        SURVEY: ("response_id", answered),
        DEPARTURES: ("flight_id", departed),
        VOTE: ("participant_key", voted),
    }
    lake: dict[str, list[Row]] = {key: [] for key in makers}
    for key, (name_of_key, make) in makers.items():
        for offset in range(160):
            # The range 40-59 was held and is released last.
            certificate = 8 if 40 <= offset < 60 else 1 + offset // 25
            name = f"K-{dice.randrange(25)}"
            chance = dice.random()
            row = event(key, name, offset, certificate, **{name_of_key: name}, **make())
            if chance < 0.06:
                row = deletion(name, offset, certificate)
            elif chance < 0.14 and offset > 5:
                row = {**row, "event_id": f"{key}-{dice.randrange(offset)}"}
            elif chance < 0.26 and offset > 5:
                row = {**row, "corrects_event_id": f"{key}-{dice.randrange(offset)}"}
            elif chance < 0.36:
                row = {**row, "event_time": None}
            lake[key].append(row)
    return lake
