"""Bring the registry of persons to what is certified."""

import sqlite3
import time
from collections.abc import Mapping

import duckdb
import sqlalchemy as sa

from datacentre.contracts import Contract, load_contracts
from datacentre.control.certificates import certified_by_stream
from datacentre.control.store import opened
from datacentre.errors import DataCentreError
from datacentre.settings import Settings
from datacentre.stages.alerting import alarm, clear
from datacentre.stages.outcome import Outcome, store
from lake.certified_rows import certified_file, follow_certificates
from lake.marts import only_writer
from registry.golden.mapping import load_mapping
from registry.golden.refresh import begin_anew, refresh

BEHIND = "registry behind"
_STREAM = "registry"


def refresh_registry(settings: Settings, control: sa.Engine, contracts: Mapping[str, Contract]) -> Outcome:
    """Follow the copy of the certified rows; who calls holds the marts, so that the copy stays as it is.

    Raises SourceUnavailable while another refresh runs, ContractError for a mapping that the contracts don't bear out.
    """
    started = time.monotonic()
    mapping = load_mapping(settings.schemas, contracts)
    done = refresh(settings.home, settings.lake, certified_file(settings.marts), mapping, contracts, control)
    detail = {"persons": done.persons}
    return Outcome("registry", _STREAM, "", done.rows, done.written, 0, time.monotonic() - started, detail)


def keep_registry(settings: Settings, control: sa.Engine, contracts: Mapping[str, Contract]) -> None:
    """`refresh_registry` as a part of a build: a failure raises an alert, the registry stays as it was, marts go on."""
    try:
        outcome = refresh_registry(settings, control, contracts)
    except DataCentreError as problem:
        alarm(settings, control, BEHIND, "", " ".join(str(problem).split())[:500])
        return
    except (duckdb.Error, sqlite3.Error, OSError) as problem:  # whose words may quote a value
        alarm(settings, control, BEHIND, "", f"{type(problem).__name__}; run: datacentre registry build")
        return
    clear(settings, control, BEHIND, "")
    if outcome.rows_in or outcome.rows_out:
        store(control, outcome)


def follow_registry(settings: Settings, control: sa.Engine) -> None:
    """`keep_registry` between two builds, over the certified rows of the one before."""
    with only_writer(settings.marts):
        keep_registry(settings, control, load_contracts(settings.schemas))


def build_registry(settings: Settings, is_anew: bool) -> Outcome:
    """By command: follow the certificates and refresh, or make everything from the lake.

    Raises SourceUnavailable while a build runs.
    """
    contracts = load_contracts(settings.schemas)
    with opened(settings.control_url) as control, only_writer(settings.marts):
        certified = certified_by_stream(control, contracts)
        follow_certificates(certified_file(settings.marts), settings.lake, contracts, certified)
        if is_anew:
            begin_anew(settings.home)
        outcome = refresh_registry(settings, control, contracts)
        clear(settings, control, BEHIND, "")
        store(control, outcome)
    return outcome
