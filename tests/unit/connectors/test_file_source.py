"""Files in, records out: identity of events, line numbers of rejects, the three kinds of files."""

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sources.file_source import Mapping, SendOutcome, read_mapping, send_file
from datacentre.contracts.load import load_contracts
from datacentre.contracts.model import Contract
from datacentre.errors import ContractError, SourceUnavailable

SCHEMAS = Path(__file__).parents[3] / "schemas"
CONTRACTS = load_contracts(SCHEMAS)
VISITS = CONTRACTS["jdwnrh__hospital_visit"]
SURVEY = CONTRACTS["dot__exit_survey"]

MAPPING = """
stream: jdwnrh__hospital_visit
source: test/clinic
description: A test.
provenance: Written for this test.
licence: none
left_out:
  - columns: [Note]
    why: Free text.
events:
  - event_time: {column: Booked, convert: [timestamp: {format: "%d/%m/%Y %H:%M", zone: Asia/Thimphu}]}
    fields:
      event: {constant: booked}
      visit_id: {column: Case}
      age_years: {column: Age, on_failure: drop_value}
  - when: {column: Came, not_empty: true}
    event_time: {column: Day, convert: [date: "%d/%m/%Y"]}
    fields:
      event: {column: Came, convert: [trim, lower], values: {"y": arrived, "n": no_show}}
      visit_id: {column: Case}
"""
HEADER = ["Case", "Booked", "Day", "Came", "Age", "Note"]
ROW = ["V-1", "01/03/2026 09:30", "04/03/2026", "Y", "31", ""]


class Sent:
    """A producer that keeps what it gets, and knows whether it was flushed at the end."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes | None, bytes | None]] = []
        self.is_flushed = False

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        self.messages.append((topic, key, value))
        self.is_flushed = False

    def flush(self) -> None:
        self.is_flushed = True

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(value) for _, _, value in self.messages if value is not None]


def mapping_of(folder: Path, text: str = MAPPING) -> Mapping:
    file = folder / "mapping.yaml"
    file.write_text(text, encoding="utf-8")
    return read_mapping(file, CONTRACTS)


def write_csv(file: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return file


def send(file: Path, mapping: Mapping | None, contract: Contract = VISITS) -> tuple[SendOutcome, Sent]:
    sent = Sent()
    outcome = send_file(contract, file, mapping, sent, file.parent / "rejects.jsonl", lambda rows: None)
    return outcome, sent


def rejects(outcome: SendOutcome) -> list[dict[str, Any]]:
    assert outcome.rejects_file is not None
    return [json.loads(line) for line in outcome.rejects_file.read_text(encoding="utf-8").splitlines()]


def test_one_row_tells_of_two_events(tmp_path: Path) -> None:
    outcome, sent = send(write_csv(tmp_path / "a.csv", [ROW]), mapping_of(tmp_path))
    booked, came = sent.records
    assert booked["event"] == "booked"
    assert booked["event_time"] == "2026-03-01T03:30:00Z"
    assert booked["age_years"] == 31
    assert came["event"] == "arrived"
    assert came["event_time"] == "2026-03-04", "a date without a clock stays a date"
    assert {booked["source"], came["source"]} == {"test/clinic"}
    assert {booked["schema"], came["schema"]} == {VISITS.schema_tag}
    assert {(topic, key) for topic, key, _ in sent.messages} == {("jdwnrh__hospital_visit", b"V-1")}
    assert (outcome.rows, outcome.events, outcome.rejected, outcome.skipped) == (1, 2, 0, 0)
    assert outcome.rejects_file is None
    assert sent.is_flushed


def test_same_file_sent_again_has_the_same_event_ids(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [ROW, ROW])
    _, first = send(file, mapping_of(tmp_path))
    copy = tmp_path / "renamed.csv"
    copy.write_bytes(file.read_bytes())
    outcome, second = send(copy, mapping_of(tmp_path))
    ids = [record["event_id"] for record in first.records]
    assert ids == [record["event_id"] for record in second.records]
    assert len(set(ids)) == 4
    assert ids[0] == f"{outcome.file_hash[:16]}-1-1"


def test_row_numbers_stay_when_a_row_before_is_rejected(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [["V-1", "never", *ROW[2:]], ROW])
    _, sent = send(file, mapping_of(tmp_path))
    assert [record["event_id"].split("-")[1] for record in sent.records] == ["2", "2"]


def test_na_is_a_value(tmp_path: Path) -> None:
    _, sent = send(write_csv(tmp_path / "a.csv", [["NA", *ROW[1:]]]), mapping_of(tmp_path))
    assert [key for _, key, _ in sent.messages] == [b"NA", b"NA"]
    assert sent.records[0]["visit_id"] == "NA"


def test_row_without_any_event_is_skipped_not_rejected(tmp_path: Path) -> None:
    text = MAPPING.replace("  - event_time: {column: Booked", "  - when: {column: Came, in: [Y, N]}\n"
                           "    event_time: {column: Booked")  # fmt: skip
    rows = [[*ROW[:3], "", *ROW[4:]], ROW]
    outcome, sent = send(write_csv(tmp_path / "a.csv", rows), mapping_of(tmp_path, text))
    assert (outcome.rows, outcome.events, outcome.skipped, outcome.rejected) == (2, 2, 1, 0)
    assert len(sent.messages) == 2


def test_rejected_row_is_named_by_line_column_value_and_reason(tmp_path: Path) -> None:
    rows = [
        ["V-1", *ROW[1:5], "a note\nover three\nlines"],
        ["V-2", "1.3.2026", *ROW[2:]],
        ["V-3", *ROW[1:]],
        ["", *ROW[1:]],
        ["V-5", *ROW[1:3], "maybe " * 40, *ROW[4:]],
    ]
    outcome, sent = send(write_csv(tmp_path / "a.csv", rows), mapping_of(tmp_path))
    assert outcome.rejected == 3
    assert {record["visit_id"] for record in sent.records} == {"V-1", "V-3"}, "a row goes whole or not at all"
    date, empty, code = rejects(outcome)
    assert (date["line"], date["row"], date["column"], date["value"]) == (5, 2, "Booked", "1.3.2026")
    assert date["reason"].startswith("event_time: ")
    assert (empty["line"], empty["column"], empty["value"]) == (7, "Case", "")
    assert empty["reason"] == "visit_id: is required, and empty"
    assert (code["line"], code["column"], code["dropped"]) == (8, "Came", "row")
    assert len(code["value"]) < 100


def test_value_that_may_be_dropped_leaves_its_row(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [[*ROW[:4], "thirty", ""]])
    outcome, sent = send(file, mapping_of(tmp_path))
    assert "age_years" not in sent.records[0]
    assert (outcome.events, outcome.rejected, outcome.dropped_values) == (2, 0, 1)
    assert rejects(outcome)[0]["dropped"] == "value"


def test_broken_csv_rows_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    good = ",".join(ROW)
    file.write_bytes(
        "\n".join([",".join(HEADER), "V-1,too,short", good, '"V-2"x,a', "", good]).encode()
        + b"\nV-\xff3," + ",".join(ROW[1:]).encode() + b"\n"
        + b"V-4," + ",".join(ROW[1:5]).encode() + b",note \xff\n"
    )  # fmt: skip
    outcome, sent = send(file, mapping_of(tmp_path))
    assert [entry["line"] for entry in rejects(outcome)] == [2, 4, 7]
    assert "3 values, the header has 6" in rejects(outcome)[0]["reason"]
    assert rejects(outcome)[2]["column"] == "visit_id"
    assert (outcome.rows, outcome.events) == (6, 6)
    assert "V-4" in {record["visit_id"] for record in sent.records}, "a byte in a left-out column does no harm"


def test_unclosed_quote_loses_no_row_silently(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [",".join(HEADER), ",".join(ROW[:5]) + ',"never closed', *[",".join(ROW)] * 5_000]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    outcome, _ = send(file, mapping_of(tmp_path))
    assert outcome.rejected >= 1
    assert rejects(outcome)[0]["line"] == 2
    assert outcome.rows == outcome.rejected + outcome.events // 2


@settings(max_examples=40, deadline=None)
@given(notes=st.lists(st.text(alphabet='a,"\n ', max_size=12), min_size=1, max_size=8))
def test_line_is_where_an_editor_shows_the_row(notes: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("lines")
    file = write_csv(folder / "a.csv", [[f"V-{n}", "never", *ROW[2:5], note] for n, note in enumerate(notes)])
    outcome, _ = send(file, mapping_of(folder))
    shown = file.read_text(encoding="utf-8").split("\n")
    for entry in rejects(outcome):
        assert shown[entry["line"] - 1].startswith(f"V-{entry['row'] - 1},never")


def test_gzip_and_byte_order_mark_and_delimiter(tmp_path: Path) -> None:
    text = MAPPING.replace("events:", 'file: {encoding: utf-8, delimiter: ";", null_values: ["", "-"]}\nevents:', 1)
    content = "\ufeff" + ";".join(HEADER) + "\n" + ";".join([*ROW[:3], "-", *ROW[4:]]) + "\n"
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress(content.encode()))
    outcome, sent = send(file, mapping_of(tmp_path, text))
    assert [record["event"] for record in sent.records] == ["booked"]
    assert outcome.rejected == 0


def test_half_copied_gzip_sends_nothing(tmp_path: Path) -> None:
    whole = gzip.compress((",".join(HEADER) + "\n" + (",".join(ROW) + "\n") * 2000).encode())
    file = tmp_path / "a.csv.gz"
    file.write_bytes(whole[: len(whole) // 2])
    sent = Sent()
    with pytest.raises(SourceUnavailable, match="can't be read whole"):
        send_file(VISITS, file, mapping_of(tmp_path), sent, tmp_path / "r.jsonl", lambda rows: None)
    assert sent.messages == []


def test_file_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [ROW] * 10)

    def append(rows: int) -> None:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(",".join(ROW) + "\n")

    with pytest.raises(SourceUnavailable, match="changed while it was read"):
        send_file(VISITS, file, mapping_of(tmp_path), Sent(), tmp_path / "r.jsonl", append)


def test_progress_tells_rows_done(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [ROW] * 12_000)
    told: list[int] = []
    send_file(VISITS, file, mapping_of(tmp_path), Sent(), tmp_path / "r.jsonl", told.append)
    assert told == [5_000, 10_000, 12_000]


def test_parquet_and_json_lines_give_the_same_events_as_csv(tmp_path: Path) -> None:
    rows = [ROW, ["V-2", *ROW[1:3], "n", "", ""]]
    csv_file = write_csv(tmp_path / "a.csv", rows)
    values = [{**dict(zip(HEADER, row, strict=True)), "Age": int(row[4]) if row[4] else None} for row in rows]
    parquet_file = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(values), parquet_file)
    lines_file = tmp_path / "a.jsonl"
    lines_file.write_text("\n".join(map(json.dumps, values)), encoding="utf-8")
    seen = []
    for file in (csv_file, parquet_file, lines_file):
        _, sent = send(file, mapping_of(tmp_path))
        seen.append([{**record, "event_id": None} for record in sent.records])
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 4


def test_parquet_values_of_every_type(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    table = pa.table(
        {
            "response_id": ["R-1"],
            "source": ["test/desk"],
            "survey_version": ["v.1"],
            "event_time": pa.array([1_772_000_000_123_456_789], pa.timestamp("ns", "UTC")),
            "is_first_visit": [True],
            "nights": [3.0],
            "survey_weight": [1.25],
            "dzongkhags_visited": [["BT01", "BT02"]],
        }
    )
    pq.write_table(table, file)
    _, sent = send(file, None, SURVEY)
    (record,) = sent.records
    assert record["event_time"] == "2026-02-25T06:13:20.123456Z"
    assert (record["is_first_visit"], record["nights"], record["survey_weight"]) == (True, 3, 1.25)
    assert record["dzongkhags_visited"] == ["BT01", "BT02"]


def test_parquet_columns_with_dots_in_their_names(tmp_path: Path) -> None:
    text = MAPPING.replace("Case", "case.id").replace("[Note]", '["*"]')
    file = tmp_path / "a.parquet"
    values = dict(zip(["case.id", *HEADER[1:]], ROW, strict=True))
    pq.write_table(pa.Table.from_pylist([values]), file)
    _, sent = send(file, mapping_of(tmp_path, text))
    assert {record["visit_id"] for record in sent.records} == {"V-1"}


def test_large_number_flows_on_unrounded_for_the_contract_to_judge(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [[*ROW[:4], "9" * 30, ""], [*ROW[:4], "-1", ""]])
    _, sent = send(file, mapping_of(tmp_path))
    ages = [record["age_years"] for record in sent.records if record["event"] == "booked"]
    assert ages == [int("9" * 30), -1]


def test_without_mapping_columns_carry_the_contracts_names(tmp_path: Path) -> None:
    header = [
        "response_id",
        "source",
        "survey_version",
        "event_time",
        "nights",
        "dzongkhags_visited",
        "comment",
    ]
    rows = [
        ["R-1", "test/desk", "v1", "2026-02-01", "7", "BT01; BT05", ""],
        ["R-2", "test/desk", "v1", "2026-02-01T10:00:00", "7", "", "no zone"],
        ["R-3", "test/desk", "v1", "2026-02-01T10:00:00+06:00", "1_0", "", "no integer"],
    ]
    outcome, sent = send(write_csv(tmp_path / "a.csv", rows, header), None, SURVEY)
    (record,) = sent.records
    assert record["event_time"] == "2026-02-01"
    assert record["nights"] == 7
    assert record["dzongkhags_visited"] == ["BT01", "BT05"]
    assert record["schema"] == SURVEY.schema_tag
    assert record["event_id"] == f"{outcome.file_hash[:16]}-1-1"
    assert "comment" not in record
    assert [(entry["line"], entry["column"]) for entry in rejects(outcome)] == [
        (3, "event_time"),
        (4, "nights"),
    ]


def test_without_mapping_an_event_id_in_the_file_is_kept(tmp_path: Path) -> None:
    header = ["event_id", "response_id", "source", "survey_version", "event_time"]
    file = write_csv(tmp_path / "a.csv", [["own-1", "R-1", "test/desk", "v1", "2026-02-01"]], header)
    _, sent = send(file, None, SURVEY)
    assert sent.records[0]["event_id"] == "own-1"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (["response_id", "source", "survey_version"], "has no column event_time"),
        (["response_id", "source", "survey_version", "event_time", "Hotel"], "no field 'Hotel'"),
        (["response_id", "response_id"], "stand twice"),
        ([], "no header"),
    ],
)
def test_without_mapping_a_header_that_does_not_fit_sends_nothing(tmp_path: Path, header: list[str], told: str) -> None:
    file = write_csv(tmp_path / "a.csv", [["x"] * len(header)], header)
    sent = Sent()
    with pytest.raises(ContractError, match=told):
        send_file(SURVEY, file, None, sent, tmp_path / "r.jsonl", lambda rows: None)
    assert sent.messages == []


def test_complete_records_pass_byte_by_byte_malformed_ones_too(tmp_path: Path) -> None:
    record = b'{"event_id": "e1", "source":"s", "schema":"x@1.0.0",  "response_id":"R-1"}'
    malformed = [b'{"event_id": "e2", ', b"\xff\xfe", b"[1]", b'{"response_id": 5}']
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n".join([record, *malformed, b"", record]) + b"\r\n")
    outcome, sent = send(file, None, SURVEY)
    assert [value for _, _, value in sent.messages] == [record, *malformed, record]
    keys = [key for _, key, _ in sent.messages]
    assert (keys[0], keys[-1]) == (b"R-1", b"R-1")
    assert all(key and key.startswith(outcome.file_hash[:16].encode()) for key in keys[1:-1])
    assert (outcome.rows, outcome.events, outcome.rejected) == (6, 6, 0)


def test_line_longer_than_a_message_is_reported(tmp_path: Path) -> None:
    record = b'{"event_id":"e1","source":"s","schema":"x","response_id":"R-1"}'
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n".join([record, b'{"comment":"' + b"x" * 3_000_000 + b'"}', record]))
    outcome, sent = send(file, None, SURVEY)
    assert len(sent.messages) == 2
    assert [entry["line"] for entry in rejects(outcome)] == [2]


def test_json_lines_rows_that_are_no_records_yet_get_their_identity(tmp_path: Path) -> None:
    row = {"response_id": "R-1", "source": "test/desk", "survey_version": "v1", "event_time": "2026-02-01"}
    lines = [row, {**row, "response_id": "R-2", "gate": "A1", "nights": 3}, {**row, "hotel": "x"}]
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join([*map(json.dumps, lines), "{"]), encoding="utf-8")
    outcome, sent = send(file, None, SURVEY)
    assert [record["response_id"] for record in sent.records] == ["R-1", "R-2"]
    assert sent.records[1]["gate"] == "A1"
    assert [record["event_id"][-4:] for record in sent.records] == ["-1-1", "-2-1"]
    assert [(entry["line"], entry["column"]) for entry in rejects(outcome)] == [(3, "hotel"), (4, None)]


def test_column_the_file_lacks_is_told_with_the_mappings_line(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [ROW[:4]], HEADER[:4])
    with pytest.raises(ContractError, match=r"mapping\.yaml:\d+: events\.0\.fields\.age_years: .* no column 'Age'"):
        send(file, mapping_of(tmp_path))


def test_columns_nobody_mentions_are_told(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [[*ROW, "x"]], [*HEADER, "NewColumn"])
    outcome, _ = send(file, mapping_of(tmp_path))
    assert outcome.unmentioned_columns == ("NewColumn",)


def test_other_kinds_of_files_and_streams_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "a.xlsx"
    other.write_bytes(b"PK")
    with pytest.raises(ContractError, match="must be"):
        send(other, None)
    with pytest.raises(SourceUnavailable, match="absent"):
        send(tmp_path / "absent.csv", None)
    with pytest.raises(ContractError, match="not dot__exit_survey"):
        send(write_csv(tmp_path / "a.csv", [ROW]), mapping_of(tmp_path), SURVEY)
