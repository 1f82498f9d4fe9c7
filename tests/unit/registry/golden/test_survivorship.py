"""Which value wins, and why; whatever the order in which the events came."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_lake import CID, TRANSFER, VISIT

from datacentre.contracts import Contract
from datacentre.settings import REPOSITORY
from registry.golden.mapping import PersonMapping, load_mapping
from registry.golden.statements import make_tables
from registry.golden.survivorship import believe

Said = dict[str, Any]
PERSON = "p"


@pytest.fixture(scope="module")
def mapping(contracts: dict[str, Contract]) -> PersonMapping:
    return load_mapping(REPOSITORY / "schemas", contracts)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        make_tables(connection)
        connection.execute(f"insert into registered values ('{PERSON}', hash('{PERSON}'))")
        connection.execute(f"create temp table asked_person as select '{PERSON}' as person_key")
        yield connection


def said(stream: str, case: int, day: int, **fields: Any) -> Said:
    """A statement of a confirmed case, on a day of May 2025."""
    at = datetime(2025, 5, day, 3, tzinfo=UTC)
    row = {"stream_key": stream, "record_key": f"C-{case}", "record_hash": case, "event_id": f"{stream}-{case}-{day}"}
    row |= {"source": "jdwnrh/his" if stream == VISIT else "dcrc/bcrs", "event_date": at.date(), "event_time": at}
    row |= {"person_key": PERSON, "resolved_key": PERSON, "named_as": "applicant", "list_position": 0}
    return row | {"is_confirmed": True, "is_amending": False, "is_by_case": False} | fields


class Believed:
    def __init__(self, connection: duckdb.DuckDBPyConnection, mapping: PersonMapping, rows: list[Said]):
        connection.execute("create or replace temp table spoken as from statement limit 0")
        for offset, row in enumerate(rows):
            arrival = {"kafka_partition": 0, "kafka_offset": offset, "certificate_id": 1}
            arrival["broker_time"] = datetime(2025, 6, 1, tzinfo=UTC) + timedelta(hours=offset)
            placed = row | arrival
            names = ", ".join(placed)
            values = ", ".join(f"${name}" for name in placed)
            connection.execute(f"insert into spoken ({names}) values ({values})", placed)
        believe(connection, mapping)
        taken = connection.execute(
            """select taken.attribute, value, told.event_id, rank, because
            from taken join told using (turn) order by all"""
        ).fetchall()
        self.values = {name: (value, event) for name, value, event, *_ in taken}
        self.because = {name: because for name, *_, because in taken}
        self.conflicts = connection.execute(
            """select attribute, taken, other, event_id from conflict join told using (turn) order by all"""
        ).fetchall()
        self.all = (taken, self.conflicts)


Believe = Any


@pytest.fixture
def believed(connection: duckdb.DuckDBPyConnection, mapping: PersonMapping) -> Believe:
    return lambda *rows: Believed(connection, mapping, list(rows))


def test_the_authority_is_believed_before_a_later_word_of_others(believed: Believe) -> None:
    found = believed(
        said(CID, 1, 1, full_name="Pema Tshering", sex="F"), said(VISIT, 2, 9, full_name="Pema Tsering", sex="M")
    )
    assert found.values["full_name"] == ("Pema Tshering", f"{CID}-1-1")
    assert found.because["full_name"] == (
        f"the only case confirmed by its authority, {CID}; taken before {VISIT} {VISIT}-2-9 of 2025-05-09"
    )
    assert found.conflicts == []


def test_authorities_that_contradict_each_other_are_both_kept(believed: Believe) -> None:
    found = believed(*(said(CID, n, n, birth_date=date(1990, 1, day)) for n, day in ((1, 5), (2, 6), (3, 5), (4, 6))))
    assert found.values["birth_date"] == ("1990-01-05", f"{CID}-1-1")
    assert found.conflicts == [("birth_date", "1990-01-05", "1990-01-06", f"{CID}-2-2")]


def test_an_amendment_ends_the_conflict(believed: Believe) -> None:
    found = believed(
        said(CID, 1, 1, birth_date=date(1990, 1, 5)),
        said(CID, 2, 2, birth_date=date(1990, 1, 6)),
        said(CID, 3, 3, birth_date=date(1990, 1, 7), is_amending=True),
    )
    assert (found.values["birth_date"], found.conflicts) == (("1990-01-07", f"{CID}-3-3"), [])
    assert found.because["birth_date"].startswith("the newest amendment of 3 cases confirmed by its authority")


def test_within_a_case_the_last_word_counts(believed: Believe) -> None:
    found = believed(said(CID, 1, 1, given_name="Pemma"), said(CID, 1, 2, given_name="Pema"))
    assert (found.values["given_name"], found.conflicts) == (("Pema", f"{CID}-1-2"), [])


def test_the_newest_contact_counts_but_a_confirmed_one_first(believed: Believe) -> None:
    phones = [said(VISIT, n, n, phone=f"+9751700000{n}") for n in (1, 2)]
    unconfirmed = said(VISIT, 3, 3, phone="+97517000003", is_confirmed=False)
    assert believed(*phones, unconfirmed).values["phone"] == ("+97517000002", f"{VISIT}-2-2")
    assert believed(unconfirmed).values["phone"] == ("+97517000003", f"{VISIT}-3-3")


def test_a_linked_record_is_believed_last(believed: Believe) -> None:
    linked = said(VISIT, 1, 9, phone="+97517000009", person_key=None)
    stated = said(VISIT, 2, 1, phone="+97517000001", is_confirmed=False)
    assert believed(linked, stated).values["phone"][0] == "+97517000001"
    assert believed(linked).because["phone"] == "the only case that was linked without a number"


def test_residence_without_a_transfer_is_the_permanent_address(believed: Believe) -> None:
    card = said(CID, 1, 1, permanent_gewog_code="BT1405")
    assert (
        believed(card).because["residence_gewog_code"].startswith("nothing established it; as permanent_gewog_code: ")
    )
    moved = said(TRANSFER, 2, 2, residence_gewog_code="BT0803")
    assert believed(card, moved).values["residence_gewog_code"] == ("BT0803", f"{TRANSFER}-2-2")


_STATEMENTS = st.lists(
    st.builds(
        lambda stream, case, day, confirmed, amends, name, phone: said(
            stream, case, day, is_confirmed=confirmed, is_amending=amends, given_name=name, phone=phone
        ),
        st.sampled_from([CID, VISIT]),
        st.integers(1, 3),
        st.integers(1, 9),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, "Pema", "Dorji"]),
        st.sampled_from([None, "+97517000001", "+97517000002"]),
    ),
    max_size=6,
    unique_by=lambda row: row["event_id"],
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), rows=_STATEMENTS)
def test_any_order_of_arrival_gives_the_same(believed: Believe, data: st.DataObject, rows: list[Said]) -> None:
    again = data.draw(st.permutations(rows))
    assert believed(*again).all == believed(*rows).all
