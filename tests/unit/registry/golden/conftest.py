"""A small lake per test."""

from pathlib import Path

import pytest
from small_lake import SmallLake

from datacentre.contracts import Contract


@pytest.fixture
def small_lake(tmp_path: Path, contracts: dict[str, Contract]) -> SmallLake:
    return SmallLake(tmp_path, contracts)
