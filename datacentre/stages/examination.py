"""All of dbt's tests over all of the marts, and how long each stream has been silent.

An increment's build tests what it adds. What it can't see, such as a row that should have gone, is found here.
"""

import time

from datacentre.contracts import load_contracts
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.build import run_dbt
from datacentre.stages.outcome import Outcome, store
from lake.certified_rows import certified_file
from lake.marts import only_writer, prepare, published, work_file


def examine(settings: Settings) -> Outcome:
    """`dbt test` and `dbt source freshness` over the last build's working file.

    Raises CheckFailed naming each test that failed, or the streams that have sent nothing for a week; SourceUnavailable
    while a build runs.
    """
    started = time.monotonic()
    published(settings.marts)
    with opened(settings.control_url) as control, only_writer(settings.marts):
        contracts, copy = load_contracts(settings.schemas), certified_file(settings.marts)
        prepare(work_file(settings.marts), copy, contracts, settings.reference)
        tests = run_dbt(settings, ["test", "--exclude-resource-type", "unit_test"])
        outcome = Outcome("examine", "marts", "", tests, tests, 0, time.monotonic() - started)
        store(control, outcome)
        run_dbt(settings, ["source", "freshness"])
    return outcome
