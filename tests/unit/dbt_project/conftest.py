"""One marts file at a time, at a path that stays, so that dbt parses the project once."""

from collections.abc import Iterator

import duckdb
import pytest
from marts_file import MartsFile

from datacentre.contracts import Contract


@pytest.fixture
def marts_file(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    contracts: dict[str, Contract],
) -> Iterator[MartsFile]:
    folder = tmp_path_factory.getbasetemp() / "dbt"
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("DATACENTRE_MARTS_FILE", str(folder / "work.duckdb"))
    with duckdb.connect(str(folder / "certified.duckdb")):  # the tests put their rows in the marts file itself
        monkeypatch.setenv("DATACENTRE_CERTIFIED_FILE", str(folder / "certified.duckdb"))
    monkeypatch.setenv("DBT_TARGET_PATH", str(folder / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(folder / "logs"))
    file = MartsFile(folder / "work.duckdb", contracts)
    yield file
    file.path.unlink()
