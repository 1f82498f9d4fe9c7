"""Mappings: an error names file, line and field; the shipped ones fit their contracts and the real files.

The real files are not part of the repository. What is asserted is derived from each file by plain
reading, so that another part of the same set passes as well.
"""

import csv
import json
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.sources.file_source import SendOutcome, read_mapping, send_file
from datacentre.contracts.load import load_contracts
from datacentre.errors import ContractError

ROOT = Path(__file__).parents[3]
MAPPINGS = sorted((ROOT / "schemas" / "mappings").glob("*.yaml"))
CONTRACTS = load_contracts(ROOT / "schemas")
REAL_FILES = ROOT.parent / "shared" / "data"
SURVEY_RATING = {
    2010: "Q6N", 2013: "Q7O_WHOLE", 2014: "Q7ALL", 2015: "Q7ALL", 2016: "Q7ALL", 2017: "Q7ALL",
}  # fmt: skip
PERMIT_STEPS = {
    "submitted": "01_HOOFD_010", "returned_for_correction": "08_AWB45_020_2", "handed_over": "01_HOOFD_510_2",
}  # fmt: skip

MAPPING = """\
stream: jdwnrh__hospital_visit
source: test/clinic
description: A test.
provenance: Written for this test.
licence: none
events:
  - event_time: {column: Booked}
    fields:
      event: {constant: booked}
      visit_id: {column: Case}
      age_years: {column: Age}
"""


class Sent:
    """A producer that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        assert key is not None
        assert value is not None
        self.records.append(json.loads(value))

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("column: Age", "colunm: Age", 11, "colunm"),
        ("age_years: {column: Age}", "age: {column: Age}", 11, "no such field"),
        ("      visit_id: {column: Case}\n", "", 8, "requires field 'visit_id'"),
        ("constant: booked", "constant: boked", 9, "none of the values that field 'event' allows"),
        ("constant: booked", "constant: 2010-01-01", 9, "quote it"),
        ("{constant: booked}", "{column: E, values: {yes: booked}}", 9, "quote it"),
        ("{constant: booked}", '{column: E, values: {"yes": came}}', 9, "'came' is none of the values"),
        ("{constant: booked}", "{column: E, constant: booked}", 9, "exactly one of"),
        ("column: Age", "column: Age, convert: [round]", 11, "should be 'trim'"),
        (
            "column: Age",
            "column: Age, convert: [date]",
            11,
            "gives date, field 'age_years' is of type integer",
        ),
        ("column: Age", "column: Age, convert: [integer, trim]", 11, "trim takes text, and gets integer"),
        ("column: Booked", "column: Booked, convert: [timestamp: {zone: Moon}]", 7, "unknown time zone"),
        ("      age_years: {column: Age}", "      schema: {column: Age}", 11, "the source fills it"),
        ("stream: jdwnrh__hospital_visit", "stream: jdwnrh__visit", 1, "no contract 'jdwnrh__visit'"),
        ("licence: none\n", "", 1, "Field required"),
        (
            "  - event_time",
            "  - when: {column: A}\n    event_time",
            7,
            "exactly one of equals, in, not_empty",
        ),
    ],
)
def test_mistake_is_told_with_file_line_and_field(tmp_path: Path, old: str, new: str, line: int, told: str) -> None:
    assert old in MAPPING
    file = tmp_path / "bad.yaml"
    file.write_text(MAPPING.replace(old, new), encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        read_mapping(file, CONTRACTS)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert told in str(caught.value)


def test_there_is_a_mapping_for_each_real_set() -> None:
    assert {file.stem for file in MAPPINGS} >= {
        "noshow_appointments", "permits_bpic2015", *(f"sfo_survey_{year}" for year in SURVEY_RATING),
    }  # fmt: skip


@pytest.mark.parametrize("file", MAPPINGS, ids=lambda file: file.stem)
def test_shipped_mapping_fits_its_contract_and_says_what_it_leaves_out(file: Path) -> None:
    document = read_mapping(file, CONTRACTS).document
    assert document.database is not None or document.source.startswith("public-file/")
    assert document.left_out
    assert all(entry.why for entry in document.left_out)


def real_file(path: str) -> Path:
    file = REAL_FILES / path
    if not file.exists():
        pytest.skip(f"the real file {path} is not shipped and not at {REAL_FILES}")
    return file


def plain_rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def send(name: str, file: Path, folder: Path) -> tuple[SendOutcome, list[dict[str, Any]]]:
    mapping = read_mapping(ROOT / "schemas" / "mappings" / f"{name}.yaml", CONTRACTS)
    sent = Sent()
    outcome = send_file(CONTRACTS[mapping.stream], file, mapping, sent, folder / "rejects.jsonl", lambda rows: None)
    assert outcome.unmentioned_columns == ()
    assert outcome.events == len(sent.records)
    assert len({record["event_id"] for record in sent.records}) == outcome.events
    return outcome, sent.records


def test_real_appointments(tmp_path: Path) -> None:
    file = real_file("noshow/appointments_2016_april_may.csv")
    rows = plain_rows(file)
    outcome, records = send("noshow_appointments", file, tmp_path)
    assert (outcome.rows, outcome.events, outcome.rejected) == (len(rows), 2 * len(rows), 0)
    missed = sum(row["No-show"] == "Yes" for row in rows)
    assert Counter(record["event"] for record in records) == {
        "booked": len(rows), "no_show": missed, "arrived": len(rows) - missed,
    }  # fmt: skip
    bookings = [record for record in records if record["event"] == "booked"]
    local = ZoneInfo("Asia/Thimphu")
    for row, booking in zip(rows, bookings, strict=True):
        clock = datetime.fromisoformat(booking["event_time"]).astimezone(local)
        assert clock.strftime("%Y-%m-%dT%H:%M:%SZ") == row["ScheduledDay"]
        assert (booking["visit_id"], booking["age_years"]) == (row["AppointmentID"], int(row["Age"]))
        assert booking["slot_date"] == row["AppointmentDay"][:10]
        assert booking.get("hospital_number", row["PatientId"]) == row["PatientId"]
    assert all(len(record["event_time"]) == 10 for record in records if record["event"] != "booked")
    assert outcome.dropped_values == sum(not row["PatientId"].isdigit() for row in rows)
    assert outcome.dropped_values == sum("hospital_number" not in booking for booking in bookings)


@pytest.mark.parametrize("year", SURVEY_RATING)
def test_real_survey(year: int, tmp_path: Path) -> None:
    file = real_file(f"airport_survey/{year}_SFO_Customer_Survey.csv")
    rows = plain_rows(file)
    outcome, records = send(f"sfo_survey_{year}", file, tmp_path)
    assert (outcome.rows, outcome.events, outcome.rejected) == (len(rows), len(rows), 0)
    assert len({record["response_id"] for record in records}) == len(rows)
    assert all(record["response_id"].startswith(f"SFO-{year}-") for record in records)
    rated = [row[SURVEY_RATING[year]] for row in rows]
    assert Counter(record.get("overall_rating") for record in records) == Counter(
        int(rating) if rating in {"1", "2", "3", "4", "5"} else None for rating in rated
    )
    assert {date.fromisoformat(record["event_time"]).year for record in records} == {year}
    assert all(record["survey_weight"] == float(row["WEIGHT"]) for row, record in zip(rows, records, strict=True))


def test_real_survey_days_are_the_weekdays_the_file_names(tmp_path: Path) -> None:
    file = real_file("airport_survey/2017_SFO_Customer_Survey.csv")
    _, records = send("sfo_survey_2017", file, tmp_path)
    agreeing = sum(
        date.fromisoformat(record["event_time"]).strftime("%a").upper() == row["DAY"][:3]
        for row, record in zip(plain_rows(file), records, strict=True)
    )
    assert agreeing / len(records) > 0.99, "the day's month and year are right"


def test_real_survey_recommendation_is_null_where_blank(tmp_path: Path) -> None:
    file = real_file("airport_survey/2017_SFO_Customer_Survey.csv")
    _, records = send("sfo_survey_2017", file, tmp_path)
    blank = sum(row["NETPRO"] in ("", "11") for row in plain_rows(file))
    assert sum("would_recommend" not in record for record in records) == blank


def test_real_permits(tmp_path: Path) -> None:
    file = real_file("caselogs/permits_bpic2015_m1.csv")
    rows = plain_rows(file)
    outcome, records = send("permits_bpic2015", file, tmp_path)
    steps = Counter(record["step"] for record in records)
    codes = Counter(row["event_concept.name"] for row in rows)
    for step, code in PERMIT_STEPS.items():
        assert steps[step] == codes[code]
    asked_to_end = sum(row["event_concept.name"] == "05_EIND_010" and row["event_question"] == "True" for row in rows)
    assert steps["withdrawn"] == asked_to_end
    assert outcome.rows == len(rows)
    assert (outcome.rejected, outcome.skipped) == (0, len(rows) - len(records)), "a row tells of one step at most"
    assert {r["application_id"] for r in records} <= {f"BPIC15-{row['case_concept.name']}" for row in rows}


def test_real_permits_keep_a_day_where_the_clock_is_local_midnight(tmp_path: Path) -> None:
    file = real_file("caselogs/permits_bpic2015_m1.csv")
    _, records = send("permits_bpic2015", file, tmp_path)
    expected: Counter[str] = Counter()
    for row in plain_rows(file):
        if row["event_concept.name"] == "01_HOOFD_010":
            clock = datetime.fromisoformat(row["event_time.timestamp"] + "+00:00")
            local = clock.astimezone(ZoneInfo("Europe/Amsterdam"))
            is_day = (local.hour, local.minute, local.second) == (0, 0, 0)
            expected[local.date().isoformat() if is_day else f"{clock:%Y-%m-%dT%H:%M:%SZ}"] += 1
    assert Counter(r["event_time"] for r in records if r["step"] == "submitted") == expected
