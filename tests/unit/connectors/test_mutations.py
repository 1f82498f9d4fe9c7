"""Damaged records: each lands or is quarantined with a reason, and the compiled pass never disagrees with SQL."""

import pytest

from bench.decode.mutation import mutated
from bench.decode.mutations import good_messages, placed_counts
from bench.decode.placing import place, splitter, table_of
from connectors.sink.scan import warm
from datacentre.contracts import Contract

EACH = 650


def test_five_thousand_damaged_records_have_one_place_each(contracts: dict[str, Contract]) -> None:
    for key, good in good_messages(contracts, 4_000, seed=1).items():
        counts = placed_counts(contracts[key], list(mutated(good, EACH, seed=2)))
        assert counts["messages"] == EACH
        assert 0 < counts["landed"] < EACH / 2
        assert "record.not_json" in counts and "record.duplicate_key" in counts


def test_the_compiled_pass_only_agrees_with_the_check_in_sql(
    contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, good in good_messages(contracts, 4_000, seed=3).items():
        messages = list(mutated(good, EACH, seed=4)) + good[:EACH]
        with_pass = place(splitter(contracts[key]), messages)
        with monkeypatch.context() as without:
            check = splitter(contracts[key])
            without.setattr(warm, "is_ready", lambda: False)
            assert place(check, messages) == with_pass


def test_the_same_seed_gives_the_same_bytes(contracts: dict[str, Contract]) -> None:
    good = good_messages(contracts, 2_000, seed=5)["dot__departures"]
    first, again = (table_of(list(mutated(good, 200, seed=6))) for _ in range(2))
    assert first.equals(again)
