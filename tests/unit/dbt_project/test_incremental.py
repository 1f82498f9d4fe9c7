"""Increments and one full build must give the same marts, whatever order certificates arrive in."""

import random
from datetime import date

import duckdb
from lake_rows import CID, FEEDBACK, VISIT, deletion, feedback, random_lake, step, visit
from marts_file import MartsFile

FULL, INCREMENT = ("--full-refresh",), ("--selector", "increment")


def test_project_builds_before_any_record(marts_file: MartsFile) -> None:
    for extent in (FULL, INCREMENT):
        marts_file.dbt("build", "--exclude-resource-type", "unit_test", *extent)
    assert marts_file.rows("select count(*) from marts.dim_place") == [(225,)]


def test_late_range_correction_and_deletion_are_picked_up(marts_file: MartsFile) -> None:
    lost = {"application_type": "lost"}
    marts_file.certify(
        CID,
        [
            step("A-1", 0, 1, "submitted", person_key="p1", **lost),
            step("A-2", 1, 1, "submitted", person_key="p2", **lost),
            step("A-3", 2, 1, "submitted", person_key="p3", **lost),
            step("A-4", 24, 2, "submitted", person_key="p4", **lost),
        ],
    )
    marts_file.certify(VISIT, [visit("V-1", 3, 1, "arrived", person_key="p3", department_code="OPD-GEN")])
    marts_file.certify(FEEDBACK, [feedback("F-1", 4, 2, application_id="A-1")])
    marts_file.dbt("run")
    assert marts_file.rows("select has_case, case_outcome from marts.fct_service_feedback") == [(True, None)]

    marts_file.certify(
        CID,
        [
            step("A-1", 20, 3, "handed_over"),
            deletion("A-2", 30, 3),
            step("A-3", 31, 3, "submitted", person_key="p5", corrects_event_id=f"{CID}-2", **lost),
            step("A-5", 32, 3, "submitted", person_key="p4", corrects_event_id=f"{CID}-24", **lost),
        ],
    )
    marts_file.dbt("run")
    cases = "select application_id, person_key, is_closed from marts.fct_service_case order by 1"
    assert marts_file.rows(cases) == [("A-1", "p1", True), ("A-3", "p5", False), ("A-5", "p4", False)]
    persons = "select person_key, stream_keys from marts.dim_person order by 1"
    assert marts_file.rows(persons) == [("p1", [CID]), ("p3", [VISIT]), ("p4", [CID]), ("p5", [CID])]
    assert marts_file.rows("select case_outcome from marts.fct_service_feedback") == [("completed",)]

    marts_file.certify(VISIT, [deletion("V-1", 40, 4)])
    marts_file.dbt("run")
    assert marts_file.rows("from marts.fct_hospital_visit") == []
    assert marts_file.rows("from marts.agg_department_day") == []
    assert marts_file.rows("select person_key from marts.dim_person where person_key = 'p3'") == []
    assert_full_build_is_the_same(marts_file)


def test_increments_equal_a_full_build_of_anything(marts_file: MartsFile) -> None:
    rows = random_lake(random.Random(20240304))
    for certificates, extent in ((range(1, 4), FULL), (range(4, 7), INCREMENT), (range(7, 9), INCREMENT)):
        for key, of_key in rows.items():
            marts_file.certify(key, [row for row in of_key if row["certificate_id"] in certificates])
        marts_file.dbt("build", "--exclude-resource-type", "unit_test", *extent)
    assert_full_build_is_the_same(marts_file)


def test_askings_follow_the_list_of_changed_cases(marts_file: MartsFile) -> None:
    """A row that came, one that went, and one whose case has another service now."""
    marts_file.certify(VISIT, [visit("V-1", 0, 1, "arrived"), visit("V-2", 1, 1, "arrived")])
    marts_file.certify(VISIT, [visit("V-3", 2, 1, "arrived", visit_type="new")])
    ask(marts_file, ("V-2", 1), ("V-3", 2))
    marts_file.dbt("run", *FULL, "--select", "+fct_asked_field")
    marts_file.certify(VISIT, [visit("V-3", 3, 2, "arrived", visit_type="urgent")])
    ask(marts_file, ("V-1", 0), ("V-3", 2), changed=("V-1", "V-2"))
    marts_file.dbt("run", "--select", "+fct_asked_field")
    askings = "select record_key, kafka_offset, service_code from marts.fct_asked_field order by all"
    increment = marts_file.rows(askings)
    assert increment == [("V-1", 0, "hospital-outpatient"), ("V-3", 2, "hospital-emergency")]
    marts_file.dbt("run", *FULL, "--select", "+fct_asked_field")
    assert marts_file.rows(askings) == increment


def ask(file: MartsFile, *asked: tuple[str, int], changed: tuple[str, ...] = ()) -> None:
    """Hand over what the registry found, by visit and offset."""
    with duckdb.connect(str(file.path)) as database:
        database.execute("delete from registry.asked_field")
        for key, offset in asked:
            database.execute(
                """insert into registry.asked_field by name select $1 as stream_key, 0 as kafka_partition,
                $3 as kafka_offset, 1 as certificate_id, $2 as record_key, 'patient' as named_as, 'sex' as field,
                'sex' as attribute, date '2024-03-01' as asked_date, false as was_known, false as was_equal""",
                [VISIT, key, offset],
            )
        for key in changed:
            database.execute("insert into registry.asked_record values ($1, $2)", [VISIT, key])


def test_business_calendar_leaves_out_weekends_and_holidays(marts_file: MartsFile) -> None:
    lost = {"application_type": "lost"}
    friday, losar_eve = date(2023, 2, 17), date(2023, 2, 20)
    marts_file.certify(
        CID,
        [
            step("A-1", 0, 1, "submitted", event_time=None, event_date=friday, **lost),
            step("A-1", 1, 1, "handed_over", event_time=None, event_date=losar_eve, **lost),
            step("A-2", 2, 1, "submitted", event_time=None, event_date=losar_eve, **lost),
            step("A-2", 3, 1, "handed_over", event_time=None, event_date=date(2023, 2, 24), **lost),
        ],
    )
    marts_file.dbt("run", "--select", "+fct_service_case")
    turnaround = "select application_id, turnaround_working_days from marts.fct_service_case order by 1"
    assert marts_file.rows(turnaround) == [("A-1", 1), ("A-2", 1)]


def test_unit_tests_of_the_project_pass(marts_file: MartsFile) -> None:
    marts_file.dbt("build", "--empty", "--exclude-resource-type", "test")


def assert_full_build_is_the_same(marts_file: MartsFile) -> None:
    grown = marts_file.marts()
    marts_file.dbt("build", "--exclude-resource-type", "unit_test", *FULL)
    full = marts_file.marts()
    assert grown.keys() == full.keys()
    for name, rows in full.items():
        assert grown[name] == rows, name
