"""One person's story: what three agencies sent of her, where she lived, what she needn't say again, and who read it.

Everything is shown under a pseudonym; `demo` tells it of somebody who doesn't exist.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import duckdb

from datacentre.cli.console import out, print_table
from datacentre.errors import CheckFailed
from datacentre.settings import Settings
from lake.marts import published
from sharing.access_log.log import AccessLog
from sharing.counter import Counter
from sharing.forms import PrefilledField
from sharing.mart_reader import RowRequest
from sharing.readers import readings_of_person
from sharing.shelves import Shelves, opened_shelves

_FORM = "patient_registration"
_CANDIDATES = """
    select person_key from dim_person
    where list_has_all(stream_keys, ['dcrc__cid_issuance', 'dcrc__census_transfer', 'jdwnrh__hospital_visit'])
        and last_move_date is not null
    order by last_seen_date desc, person_key limit 200"""
_EVENTS = """
    select submitted_date as day, 'civil registration' as agency,
        service_code || ': ' || coalesce(outcome, 'open, ' || last_step) as what
    from fct_service_case where person_key = $1
    union all
    select visit_date, 'hospital', department_code || ': ' || visit_type from fct_hospital_visit where person_key = $1
    union all
    select feedback_date, 'civil service commission', service_code || ': rated ' || rating
    from fct_service_feedback where person_key = $1
    order by all"""
_RESIDENCE = """
    select valid_from_date, valid_to_date, gewog_code, dzongkhag_code,
        strftime(known_from_at, '%Y-%m-%d %H:%M') as known_from
    from dim_residence_history where person_key = $1 and known_to_at is null
    order by valid_from_date nulls first"""


def tell_story(settings: Settings) -> None:
    """Print it; raises CheckFailed where nobody has been to all three agencies and is known to the registry."""
    with opened_shelves(settings) as shelves, duckdb.connect(str(published(settings.marts)), read_only=True) as marts:
        marts.execute("set search_path = 'marts'; set TimeZone = 'UTC'")
        person_key = _somebody(marts, shelves)
        out.print(f"[bold]One person's story[/] (simulated), pseudonym {person_key[:12]}...")
        _print(marts, "What agencies sent", _EVENTS, person_key)
        _print(marts, "Where she lives, as known now", _RESIDENCE, person_key)
        _print_prefilled(_prefilled(settings, shelves, person_key))
        _read_as_others(settings, shelves)
    rows = [
        [f"{r.at:%H:%M:%S}", r.consumer, r.purpose, r.action, r.dataset, ", ".join(r.fields)]
        for r in readings_of_person(settings, person_key)
    ]
    print_table("Who read it", ["at (UTC)", "consumer", "purpose", "what", "of", "fields"], rows)


def _somebody(marts: duckdb.DuckDBPyConnection, shelves: Shelves) -> str:
    for (person_key,) in marts.execute(_CANDIDATES).fetchall():
        known = shelves.lookup.known(person_key, ("given_name", "birth_date", "phone"))
        if known[0].confidence == "authoritative" and all(k.is_held for k in known):
            return str(person_key)
    raise CheckFailed("nobody was at all three agencies and has a card; simulate more records")


def _print(marts: duckdb.DuckDBPyConnection, title: str, sql: str, person_key: str) -> None:
    answer = marts.execute(sql, [person_key])
    columns = [column[0] for column in answer.description or []]
    print_table(title, columns, answer.fetchall())


def _prefilled(settings: Settings, shelves: Shelves, person_key: str) -> tuple[PrefilledField, ...]:
    counter = Counter(shelves, AccessLog(settings.home), "jdwnrh", "patient-registration")
    asked = counter.asked("prefill", _FORM, person_key)
    work = partial(shelves.prefill, form=_FORM, person_key=person_key)
    return counter.answered(asked, work).fields


def _print_prefilled(fields: tuple[PrefilledField, ...]) -> None:
    columns = ["field", "state", "value", "said by", "on", "how sure"]
    print_table("What the hospital's form needn't ask", columns, [list(_cells(field)) for field in fields])


def _cells(field: PrefilledField) -> Iterator[Any]:
    known = field.known
    yield from (field.title, field.state)
    yield from ("", "", "", "") if known is None else (known.value, known.source, known.date, known.confidence)


def _read_as_others(settings: Settings, shelves: Shelves) -> None:
    """As the commission's analyst reads service cases, and the lab follows visits."""
    log = AccessLog(settings.home)
    analyst = Counter(shelves, log, "rcsc", "service-evaluation")
    mart = "fct_service_case"
    work = partial(shelves.marts.read, mart=mart, asked=RowRequest())
    analyst.answered(analyst.asked("rows", mart), work)
    lab, stream = Counter(shelves, log, "pmo", "hospital-trial"), "jdwnrh__hospital_visit"
    cursor, has_more = "", True
    while has_more:
        page = lab.answered(
            lab.asked("extract", stream), partial(shelves.read_stream, stream=stream, cursor=cursor, limit=20_000)
        )
        cursor, has_more = page.cursor, page.has_more
