"""Consumers get what their agreement gives, by key and purpose; every answer and refusal is in the log first."""

import io
import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datacentre.control.ranges import OffsetRange
from datacentre.pseudonym import load_or_create
from sharing.access_keys import access_keys
from sharing.access_log.head import head_file
from sharing.access_log.verification import entries, verify
from sharing.releases.release import releases_of
from tests.unit.sharing.centre import (
    CASES,
    MARTS,
    NOBODY,
    PEMA,
    PURPOSES,
    ROWS,
    VISITS,
    Centre,
    agreement,
    write_release,
)
from tests.unit.stages.conftest import STREAM, lander

ROUTES = {
    "catalogue": ("GET", "/v1/catalogue"),
    **{mart: ("GET", f"/v1/marts/{mart}/rows") for mart in MARTS.values()},
    "stream": ("GET", f"/v1/streams/{STREAM}/extract"),
    "lookup": ("POST", "/v1/persons/lookup"),
    "form": ("POST", "/v1/forms/patient_registration/prefill"),
}
OWN = {
    "rcsc": {"catalogue", CASES, "stream"},
    "jdwnrh": {"catalogue", VISITS, "lookup", "form"},
    "pmo": {"catalogue", MARTS["pmo"]},
}


def ask(client: httpx.Client, route: str, headers: dict[str, str]) -> httpx.Response:
    method, path = ROUTES[route]
    return client.request(method, path, headers=headers, json={"cid": PEMA} if method == "POST" else None)


def is_problem(answer: httpx.Response, status: int) -> bool:
    body = answer.json()
    return (
        answer.status_code == status == body["status"]
        and answer.headers["content-type"] == "application/problem+json"
        and {"type", "title", "detail"} <= body.keys()
    )


def test_nobody_gets_anything_of_others(centre: Centre) -> None:
    with centre.client() as client:
        for consumer in PURPOSES:
            others = [other for other in PURPOSES if other != consumer]
            for route in ROUTES:
                answer = ask(client, route, centre.headers(consumer))
                if route in OWN[consumer]:
                    assert answer.status_code == 200, (consumer, route, answer.text)
                    assert not any(f"{other}-" in answer.text for other in others)
                    assert not any(MARTS[other] in answer.text for other in others)
                else:
                    assert is_problem(answer, 403)
    found = list(entries(centre.settings.home))
    assert len(found) == len(PURPOSES) * len(ROUTES)
    allowed = {(e.read.consumer, e.read.action, e.read.dataset) for e in found if not e.read.denied}
    assert len(allowed) == sum(map(len, OWN.values()))
    assert verify(centre.settings.home).unsigned == 0


@pytest.mark.parametrize("route", ROUTES)
def test_nothing_is_read_without_a_purpose_that_was_agreed(centre: Centre, route: str) -> None:
    consumer = next(c for c in OWN if route in OWN[c])
    with centre.client() as client:
        key = {"Authorization": f"Bearer {centre.keys[consumer]}"}
        assert is_problem(ask(client, route, key), 403)
        assert is_problem(ask(client, route, key | {"X-Purpose": "curiosity"}), 403)
        if route != "catalogue":
            assert is_problem(ask(client, route, key | {"X-Purpose": "another"}), 403)
        assert is_problem(ask(client, route, {"X-Purpose": PURPOSES[consumer]}), 401)
        assert ask(client, route, key | {"X-Purpose": PURPOSES[consumer]}).status_code == 200


def test_a_purpose_may_stand_in_the_query(centre: Centre) -> None:
    with centre.client() as client:
        key = {"X-API-Key": centre.keys["rcsc"]}
        assert client.get(f"/v1/catalogue?purpose={PURPOSES['rcsc']}", headers=key).status_code == 200


def test_revoked_and_expired_keys_and_agreements_end_at_once(centre: Centre) -> None:
    with centre.client() as client:
        assert ask(client, CASES, centre.headers("rcsc")).status_code == 200
        centre.agreements["rcsc"] = agreement("rcsc", expires=date(2026, 1, 1))
        assert is_problem(ask(client, CASES, centre.headers("rcsc")), 403)
        del centre.agreements["rcsc"]
        assert is_problem(ask(client, CASES, centre.headers("rcsc")), 403)
        key, text = centre.make_key("pmo")
        centre.keys["pmo"] = text
        assert ask(client, "catalogue", centre.headers("pmo")).status_code == 200
        access_keys(centre.settings.home).revoke(key, datetime.now(UTC))
        assert is_problem(ask(client, "catalogue", centre.headers("pmo")), 401)
        centre.keys["jdwnrh"] = centre.make_key("jdwnrh", days=-1)[1]
        assert is_problem(ask(client, "lookup", centre.headers("jdwnrh")), 401)
    denied = [e.read.denied for e in entries(centre.settings.home) if e.read.denied]
    assert ["only" in denied[0], "no agreement" in denied[1], "revoked" in denied[2], "expired" in denied[3]] == [
        True
    ] * 4


def test_a_key_reads_for_its_own_purposes_only(centre: Centre) -> None:
    keys, now = access_keys(centre.settings.home), datetime.now(UTC)
    from sharing.access_keys import create_access_key

    _, centre.keys["rcsc"] = create_access_key(keys, centre.agreements["rcsc"], ["another"], 1, now)
    with centre.client() as client:
        assert is_problem(ask(client, CASES, centre.headers("rcsc")), 403)


@pytest.mark.parametrize("limit", [1_000, 333, 2_500, 9_999])
def test_pages_hold_every_row_once_through_a_restart_and_a_swap(centre: Centre, limit: int) -> None:
    found: list[str] = []
    path, after = f"/v1/marts/{CASES}/rows", ""
    while True:
        with centre.client() as client:  # every page is answered by another service
            params = {"limit": str(limit), "after": after}
            answer = client.get(path, params=params, headers=centre.headers("rcsc")).json()
        found += [row["application_id"] for row in answer["rows"]]
        if len(found) == len(answer["rows"]):
            write_release(centre.settings, "rcsc", 2, CASES, "new-")
        assert answer["release"] == 1
        if answer["next"] is None:
            break
        after = answer["next"]
    assert found == [f"rcsc-{n:06d}" for n in range(ROWS)]
    with centre.client() as client:
        answer = client.get(path, headers=centre.headers("rcsc")).json()
    assert answer["release"] == 2 and answer["rows"][0]["application_id"].startswith("new-")


def test_a_reader_whose_release_is_gone_is_told(centre: Centre) -> None:
    with centre.client() as client:
        path, headers = f"/v1/marts/{CASES}/rows", centre.headers("rcsc")
        after = client.get(path, params={"limit": "5"}, headers=headers).json()["next"]
        write_release(centre.settings, "rcsc", 2, CASES, "new-")
        shutil.rmtree(releases_of(centre.settings.home, "rcsc") / "1")
        assert is_problem(client.get(path, params={"after": after}, headers=headers), 410)


def test_what_an_agreement_gives_no_more_is_not_read_from_releases_of_before(centre: Centre) -> None:
    with centre.client() as client:
        path, headers = f"/v1/marts/{CASES}/rows", centre.headers("rcsc")
        after = client.get(path, params={"limit": "5"}, headers=headers).json()["next"]
        given = centre.agreements["rcsc"].marts[CASES]
        narrower = {CASES: replace(given, row_filter="outcome = 'completed'")}
        centre.agreements["rcsc"] = replace(centre.agreements["rcsc"], marts=narrower)
        assert is_problem(client.get(path, headers=headers), 503)
        assert is_problem(client.get(path, params={"after": after}, headers=headers), 503)
        write_release(centre.settings, "rcsc", 2, CASES, "new-", given=narrower[CASES])
        assert client.get(path, headers=headers).json()["release"] == 2
        assert is_problem(client.get(path, params={"after": after}, headers=headers), 410)


def test_a_cursor_opens_nothing_for_others_and_shows_nothing(centre: Centre) -> None:
    with centre.client() as client:
        path = f"/v1/marts/{CASES}/rows"
        after = client.get(path, params={"limit": "5"}, headers=centre.headers("rcsc")).json()["next"]
        for spoiled in (after[:-2], "A" + after[1:], "x", "é"):
            assert is_problem(client.get(path, params={"after": spoiled}, headers=centre.headers("rcsc")), 400)
        stream = f"/v1/streams/{STREAM}/extract"
        assert is_problem(client.get(stream, params={"cursor": after}, headers=centre.headers("rcsc")), 400)
        other = client.get(f"/v1/marts/{VISITS}/rows", params={"after": after}, headers=centre.headers("jdwnrh"))
        assert is_problem(other, 400)


def test_a_mart_is_read_whole_in_every_form(centre: Centre) -> None:
    with centre.client() as client:

        def whole(form: str) -> bytes:
            answer = client.get(f"/v1/marts/{CASES}/rows", params={"format": form}, headers=centre.headers("rcsc"))
            assert answer.headers["x-release"] == "1"
            return answer.content

        arrow = pa.ipc.open_stream(whole("arrow")).read_all()
        frames = [
            pd.read_csv(io.BytesIO(whole("csv"))),
            pq.read_table(io.BytesIO(whole("parquet"))).to_pandas(),
            pl.from_arrow(arrow).to_pandas(),
        ]
    for frame in frames:
        assert frame["application_id"].tolist() == [f"rcsc-{n:06d}" for n in range(ROWS)]
        assert list(frame.columns) == ["application_id", "outcome"]


def test_columns_are_chosen_among_those_agreed(centre: Centre) -> None:
    with centre.client() as client:
        path, headers = f"/v1/marts/{CASES}/rows", centre.headers("rcsc")
        rows = client.get(path, params={"columns": "outcome", "limit": "3"}, headers=headers).json()["rows"]
        assert rows == [{"outcome": "v0"}, {"outcome": "v1"}, {"outcome": "v2"}]
        assert is_problem(client.get(path, params={"columns": "outcome,person_key"}, headers=headers), 403)
        assert is_problem(client.get(path, params={"format": "xml"}, headers=headers), 400)
        assert is_problem(client.get(path, params={"limit": "0"}, headers=headers), 400)


def stream_page(centre: Centre, cursor: str, limit: int = 15) -> dict[str, Any]:
    """One page by a service of its own."""
    with centre.client() as client:
        params = {"cursor": cursor, "limit": str(limit)}
        answer = client.get(f"/v1/streams/{STREAM}/extract", params=params, headers=centre.headers("rcsc"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_stream_is_followed_by_cursor_through_restarts(centre: Centre) -> None:
    held: dict[str, dict[str, Any]] = {}
    cursor, pages = "", 0
    while True:
        page = stream_page(centre, cursor)
        again = stream_page(centre, cursor)  # an answer that was lost on its way is asked for again
        assert page["rows"] == again["rows"]
        held |= {row["row_id"]: row for row in page["rows"]}
        cursor, pages = page["cursor"], pages + 1
        if pages == 2:
            lander(centre.settings, centre.contracts[STREAM])(0, 50, 60)
        if not page["has_more"]:
            break
    assert (len(held), sum(row["is_certified"] for row in held.values())) == (60, 40)
    assert all(len(row["feedback_id"]) == 32 and row["feedback_id"] != row["event_id"] for row in held.values())
    centre.certify(OffsetRange(0, 40, 60))
    late = stream_page(centre, cursor, limit=100)
    held |= {row["row_id"]: row for row in late["rows"]}
    assert len(held) == 60 and all(row["is_certified"] for row in held.values())
    text = json.dumps([*held.values(), cursor])
    assert "F-0-" not in text and "kafka" not in text


def test_a_lookup_gives_what_was_agreed_with_its_source(centre: Centre) -> None:
    with centre.client() as client:
        answer = ask(client, "lookup", centre.headers("jdwnrh"))
    source = {"source": "dcrc/cid", "date": "2024-05-01", "confidence": "authoritative"}
    assert answer.json()["attributes"] == [
        {"attribute": "given_name", "is_held": True, "value": "Pema"} | source,
        {"attribute": "birth_date", "is_held": True, "value": "1990-05-17"} | source,
        {"attribute": "phone", "is_held": False},
    ]
    (entry,) = entries(centre.settings.home)
    key = load_or_create(centre.settings.home, True).pseudonym(PEMA)
    assert (entry.read.person_key, entry.read.fields) == (key, ("given_name", "birth_date"))


def test_a_person_whom_nobody_knows_is_not_told_apart(centre: Centre) -> None:
    with centre.client() as client:
        answer = client.post("/v1/persons/lookup", json={"cid": NOBODY}, headers=centre.headers("jdwnrh"))
    names = ("given_name", "birth_date", "phone")
    assert answer.status_code == 200
    assert answer.json()["attributes"] == [{"attribute": name, "is_held": False} for name in names]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"cid": 5}', b'{"cid": "12"}', b'{"cid": "' + b"1" * 5_000 + b'"}'])
def test_a_question_without_a_number_is_refused_and_logged(centre: Centre, body: bytes) -> None:
    with centre.client() as client:
        answer = client.post("/v1/persons/lookup", content=body, headers=centre.headers("jdwnrh"))
    assert is_problem(answer, 413 if len(body) > 4_096 else 400)
    assert [bool(e.read.denied) for e in entries(centre.settings.home)] == [True]


def test_a_form_is_filled_as_far_as_allowed(centre: Centre) -> None:
    with centre.client() as client:
        fields = ask(client, "form", centre.headers("jdwnrh")).json()["fields"]
    assert {field["name"]: field["state"] for field in fields} == {
        "first_name": "held",
        "last_name": "not_allowed",
        "date_of_birth": "held",
        "sex": "not_allowed",
        "gewog": "not_allowed",
        "house": "not_allowed",
        "mobile": "not_held",
        "complaint": "not_held",
    }
    assert fields[0]["value"] == "Pema"


def test_a_form_of_others_is_not_filled(centre: Centre) -> None:
    purpose = PURPOSES["pmo"]
    centre.agreements["pmo"] = replace(centre.agreements["pmo"], lookups={purpose: ("given_name",)})
    with centre.client() as client:
        assert is_problem(ask(client, "form", centre.headers("pmo")), 403)
        assert ask(client, "lookup", centre.headers("pmo")).status_code == 200


def test_the_catalogue_says_what_is_there_and_what_it_means(centre: Centre) -> None:
    with centre.client() as client:
        document = ask(client, "catalogue", centre.headers("rcsc")).json()
    (mart,), (stream,) = document["marts"], document["streams"]
    assert (mart["mart"], mart["release"]["number"], mart["release"]["rows"]) == (CASES, 1, ROWS)
    assert mart["description"] == "One row per application to a service, from submission to its end."
    assert mart["owner"].startswith("Department of Civil Registration")
    assert stream["quality"] == {"certified_offsets": 40, "held_offsets": 0}
    assert {column["name"] for column in stream["columns"]} == {"event_id", "feedback_id", "rating"}


def test_nothing_is_answered_where_the_log_was_changed(centre: Centre) -> None:
    with centre.client() as client:
        assert ask(client, "catalogue", centre.headers("rcsc")).status_code == 200
    head = head_file(centre.settings.home)
    head.write_bytes(head.read_bytes().replace(b'"number":1', b'"number":2'))
    with centre.client() as client:
        assert is_problem(ask(client, "catalogue", centre.headers("rcsc")), 503)


def test_numbers_and_names_stay_out_of_the_access_log(centre: Centre) -> None:
    with centre.client() as client:
        for route in ROUTES:
            ask(client, route, centre.headers("jdwnrh"))
        headers = centre.headers("jdwnrh")
        client.get(f"/v1/marts/{PEMA}/rows", headers=headers)
        client.get(f"/v1/marts/{VISITS}/rows?columns={PEMA}", headers=headers)
        client.post(f"/v1/forms/{PEMA}/prefill", json={"cid": PEMA}, headers=headers)
        client.get("/v1/catalogue", headers=headers | {"X-Purpose": PEMA})
    assert sum(bool(entry.read.denied) for entry in entries(centre.settings.home)) >= 4
    whole = b"".join(f.read_bytes() for f in (centre.settings.home / "access").iterdir())
    assert PEMA.encode() not in whole and b"Pema" not in whole
