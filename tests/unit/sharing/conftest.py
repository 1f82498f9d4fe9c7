from pathlib import Path

import pytest

from tests.unit.sharing.centre import Centre, centre_in


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return centre_in(tmp_path)
