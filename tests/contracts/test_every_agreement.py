"""What holds for each agreement by itself, and for all of them together."""

from pathlib import Path

import pytest

from datacentre.contracts import load_contracts
from datacentre.settings import REPOSITORY
from sharing.agreements.check import Giveable
from sharing.agreements.load import load_agreement
from sharing.shared_marts import SharedMart, load_shared_marts

SCHEMAS = REPOSITORY / "schemas"
FILES = sorted((SCHEMAS / "agreements").glob("*.yaml"))
GIVEABLE = Giveable(load_shared_marts(REPOSITORY / "dbt_project"), load_contracts(SCHEMAS))


def test_there_are_agreements() -> None:
    assert len(FILES) == 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_gives_only_what_exists_and_may_leave(file: Path) -> None:
    agreement = load_agreement(file, GIVEABLE)
    assert agreement.consumer == file.stem
    assert agreement.valid_from < agreement.expires


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_purpose_is_used(file: Path) -> None:
    agreement = load_agreement(file, GIVEABLE)
    grants = (*agreement.marts.values(), *agreement.streams.values())
    assert {purpose for grant in grants for purpose in grant.purposes} | set(agreement.lookups) == set(
        agreement.purposes
    )


def test_ids_and_scopes_are_their_own() -> None:
    agreements = [load_agreement(file, GIVEABLE) for file in FILES]
    assert len({a.id for a in agreements}) == len({a.pseudonym_scope for a in agreements}) == len(agreements)


@pytest.mark.parametrize("mart", GIVEABLE.marts.values(), ids=lambda mart: mart.name)
def test_every_mart_says_how_each_column_leaves(mart: SharedMart) -> None:
    assert mart.unsorted == ()


@pytest.mark.parametrize("mart", GIVEABLE.marts.values(), ids=lambda mart: mart.name)
def test_what_joins_exactly_never_leaves_as_it_is(mart: SharedMart) -> None:
    joins = {name for name, kind in mart.columns.items() if "timestamp" in kind} | {"certificate_id"}
    joins |= {name for name in mart.columns if name.endswith(("_key", "_keys")) and name != "stream_key"}
    assert not (joins - {"stream_keys"}) & set(mart.leaving.as_is)


def test_a_column_identifies_the_same_in_every_mart() -> None:
    kinds: dict[str, set[str]] = {}
    for mart in GIVEABLE.marts.values():
        for name, kind in mart.leaving.as_tokens.items():
            kinds.setdefault(name, set()).add(kind)
    assert {name: len(found) for name, found in kinds.items()} == dict.fromkeys(kinds, 1)
