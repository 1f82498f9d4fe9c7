"""Links, merges and splits reach every mart by the next increment; what is taken back restores them."""

import random
from pathlib import Path

from lake_rows import VISIT, random_lake
from marts_file import MartsFile

from datacentre.control.identity import Event, Kind, append
from datacentre.control.store import opened

FULL, INCREMENT = ("--full-refresh",), ("--selector", "increment")
BUILD = ("build", "--exclude-resource-type", "unit_test")


def merged(other: str, person: str) -> Event:
    return Event(Kind.MERGED, "pema", "one person", person, other)


def test_merges_and_links_reach_every_mart_and_leave_no_trace(marts_file: MartsFile, tmp_path: Path) -> None:
    rows = random_lake(random.Random(20240305))
    for key, of_key in rows.items():
        marts_file.certify(key, of_key)
    marts_file.dbt(*BUILD, *FULL)
    before = marts_file.marts()
    visits = {row["kafka_offset"]: row.get("person_key") for row in rows[VISIT]}
    linked = [offset for offset, person in visits.items() if person in (None, "p5")]
    with opened(f"sqlite:///{tmp_path / 'control.sqlite'}") as control:
        links = [Event(Kind.LINKED, "linkage", "alike", "p7", visits[n], VISIT, 0, n) for n in linked]
        number = append(control, [*links, merged("p1", "p2"), merged("p7", "p3")])
        marts_file.follow(control)
        marts_file.dbt(*BUILD, *INCREMENT)
        changed = marts_file.marts()
        persons = {key for key, *_ in changed["dim_person"]}
        assert {"p1", "p7"}.isdisjoint(persons)
        assert {"p2", "p3"} <= persons
        for table in ("fct_hospital_visit", "fct_service_case", "fct_service_feedback", "dim_residence_history"):
            assert changed[table] != before[table], table
            assert marts_file.rows(f"from marts.{table} where person_key in ('p1', 'p7')") == []
        marts_file.dbt(*BUILD, *FULL)
        assert marts_file.marts() == changed

        back = [Event(Kind.UNMERGED, "pema", "two after all", about=n) for n in (number - 1, number)]
        split = [Event(Kind.SPLIT, "pema", "her own", visits[n], "p7", VISIT, 0, n) for n in linked if visits[n]]
        assert split
        append(control, back)
        marts_file.follow(control)
        marts_file.dbt(*BUILD, *INCREMENT)
        linked_only = marts_file.marts()
        assert linked_only["dim_residence_history"] == before["dim_residence_history"]
        assert linked_only["fct_service_case"] == before["fct_service_case"]
        assert linked_only["fct_hospital_visit"] != before["fct_hospital_visit"]
        append(control, split)
        marts_file.follow(control)
        marts_file.dbt(*BUILD, *INCREMENT)
        grown = marts_file.marts()
        marts_file.dbt(*BUILD, *FULL)
        assert marts_file.marts() == grown
