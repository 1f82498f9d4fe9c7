"""One open alert per kind and stream, whoever raises it and whatever release has made the store."""

from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
import sqlalchemy as sa

from datacentre.control.alerts import mark_told, open_alerts, raise_alert, resolve_alert, untold
from datacentre.control.store import opened
from datacentre.control.tables import alert

STREAM = "dot__departures"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD = (
    "create table alert (id integer primary key, kind varchar not null, stream varchar not null, text text not null, "
    "raised_at timestamptz not null, seen_at timestamptz not null, times bigint not null, told_at timestamptz, "
    "resolved_at timestamptz)",
    "create index alert_open on alert (kind, stream, resolved_at)",
)


def raise_many(url: str) -> int:
    with opened(url) as control:
        return len([raise_alert(control, "late", STREAM, "x") for _ in range(20)])


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'control.sqlite'}"


def test_processes_that_race_raise_one_alert(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        assert sum(pool.map(raise_many, [url_of(tmp_path)] * 3)) == 60
    with opened(url_of(tmp_path)) as control:
        (found,) = open_alerts(control)
    assert found.times == 60


def test_only_one_alert_of_a_kind_and_stream_can_be_open(tmp_path: Path) -> None:
    with opened(url_of(tmp_path)) as control:
        raise_alert(control, "late", STREAM, "x")
        resolve_alert(control, "late", STREAM)
        raise_alert(control, "late", STREAM, "x")
        require_one_open(control)


def make_old_store(engine: sa.Engine) -> None:
    """With alerts of which two are open for one kind and stream, which nothing forbade, and all but one were told."""
    rows = [
        (1, "late", STREAM, NOON, None),
        (2, "late", STREAM, NOON, None),
        (3, "held", STREAM, None, None),
        (4, "difference", STREAM, NOON, NOON),
    ]
    insert = "insert into alert values (:id, :kind, :stream, 'x', :at, :at, 1, :told, :resolved)"
    with engine.begin() as connection:
        for statement in OLD:
            connection.execute(sa.text(statement))
        for number, kind, stream, told, resolved in rows:
            values = {"id": number, "kind": kind, "stream": stream, "at": NOON, "told": told, "resolved": resolved}
            connection.execute(sa.text(insert), values)


def require_todays_shape(control: sa.Engine) -> None:
    """What was told isn't told again, and of the two open ones the newest stays."""
    assert [(a.id, a.kind) for a in open_alerts(control)] == [(2, "late"), (3, "held")]
    assert [(a.id, state) for a, state in untold(control, "webhook")] == [(3, "open")]
    assert "told_at" not in {c["name"] for c in sa.inspect(control).get_columns("alert")}
    assert raise_alert(control, "late", STREAM, "y").id == 2
    require_one_open(control)


def require_one_open(control: sa.Engine) -> None:
    """The store refuses a second open alert, whoever writes it."""
    values = {"kind": "late", "stream": STREAM, "text": "x", "raised_at": NOON, "seen_at": NOON, "times": 1}
    with pytest.raises(sa.exc.IntegrityError), control.begin() as connection:
        connection.execute(alert.insert().values(values | {"id": 9}))


def test_a_store_of_an_older_release_is_brought_to_todays_shape(tmp_path: Path) -> None:
    engine = sa.create_engine(url_of(tmp_path))
    make_old_store(engine)
    engine.dispose()
    for _ in range(2):
        with opened(url_of(tmp_path)) as control:
            require_todays_shape(control)


def test_channels_and_states_are_told_apart(tmp_path: Path) -> None:
    with opened(url_of(tmp_path)) as control:
        number = raise_alert(control, "late", STREAM, "x").id
        mark_told(control, number, "mail", "open")
        assert [[state for _, state in untold(control, name)] for name in ("mail", "webhook")] == [[], ["open"]]
        resolve_alert(control, "late", STREAM)
        assert [[state for _, state in untold(control, name)] for name in ("mail", "webhook")] == [["resolved"], []]
        mark_told(control, number, "mail", "resolved")
        assert untold(control, "mail") == ()
