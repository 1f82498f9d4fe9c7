"""Alerts in PostgreSQL: the same as in SQLite, where processes race and where an older release has made the store."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import sqlalchemy as sa

from datacentre.control.alerts import open_alerts
from datacentre.control.store import opened
from tests.unit.control.test_alerts import make_old_store, raise_many, require_one_open, require_todays_shape


def test_processes_that_race_raise_one_alert(database: sa.Engine) -> None:
    url = database.url.render_as_string(hide_password=False)
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        assert sum(pool.map(raise_many, [url] * 3)) == 60
    with opened(url) as control:
        (found,) = open_alerts(control)
        require_one_open(control)
    assert found.times == 60


def test_a_store_of_an_older_release_is_brought_to_todays_shape(database: sa.Engine) -> None:
    make_old_store(database)
    with opened(database.url.render_as_string(hide_password=False)) as control:
        require_todays_shape(control)
