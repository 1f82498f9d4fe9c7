"""What the check stage keeps of a validation is what Great Expectations itself reports."""

from typing import Any

import great_expectations as gx

from datacentre.contracts import Contract
from datacentre.control.certificates import held
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.control.validations import KeptValidation, load_validation
from datacentre.settings import Settings
from datacentre.stages.check import check
from expectations.landed import fetch, increments
from expectations.suite import suite_of
from tests.unit.stages.conftest import STREAM, Land


def reported(settings: Settings, contract: Contract, offsets: OffsetRange) -> dict[str, tuple[int, int, bool]]:
    """Great Expectations' own summary of the increment: rows with a value, rows that failed, and success, by rule."""
    (increment,) = increments(settings.lake, contract, [offsets])
    source = gx.get_context(mode="ephemeral").data_sources.add_pandas("here")
    whole = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    rows = fetch(increment, {})
    assert rows is not None
    batch = whole.get_batch(batch_parameters={"dataframe": rows.frame})
    suite = suite_of(contract)
    rules = gx.ExpectationSuite(name="all", expectations=[*suite.of_batch, *suite.of_records])
    return {
        r.expectation_config.meta["rule"]: _told(r.result, r.success)
        for r in batch.validate(rules, result_format="SUMMARY").results
        if r.result.get("element_count", 1) > r.result.get("missing_count", 0)
    }


def _told(result: dict[str, Any], is_met: bool) -> tuple[int, int, bool]:
    rows = result.get("element_count", 7) - result.get("missing_count", 0)
    return rows, result.get("unexpected_count", 0), is_met


def kept(settings: Settings, number: int) -> KeptValidation:
    with opened(settings.control_url) as control:
        found = load_validation(control, number)
    assert found is not None
    return found


def test_counts_are_those_that_great_expectations_reports(settings: Settings, contract: Contract, land: Land) -> None:
    land(0, 0, 4, rating=9)
    land(0, 4, 7)
    check(settings)
    with opened(settings.control_url) as control:
        (one,) = held(control, STREAM)
    stored = kept(settings, one.id).validation
    measured = {name for rule in contract.batch_rules for name in rule.names}
    asked = [r for r in stored.results if r.expectation not in measured]
    assert {r.expectation: (r.rows, r.unexpected_count, r.is_met) for r in asked} == reported(
        settings, contract, one.range
    )
    (failed,) = [r for r in asked if not r.is_met]
    assert (failed.expectation, failed.rows, failed.unexpected_count) == ("rating.range", 7, 4)
    assert (stored.is_passed, stored.rows, stored.deletions, len(stored.suite_hash)) == (False, 7, 0, 64)
    (demand,) = [d for d in stored.demands if d.expectation == "rating.range"]
    assert (demand.column, demand.severity, demand.words) == ("rating", "critical", "It is 1 to 5.")
    assert {r.expectation for r in stored.results} < {d.expectation for d in stored.demands}


def test_what_passes_is_kept_too_and_an_empty_range_is_not(settings: Settings, land: Land) -> None:
    land(0, 0, 5)
    (outcome,) = check(settings)
    (number,) = outcome.detail["certificates"]
    assert kept(settings, number).validation.is_passed
    land(0, 5, 50, rating=None)
    (outcome,) = check(settings)
    with opened(settings.control_url) as control:
        assert load_validation(control, outcome.detail["certificates"][0]) is None
