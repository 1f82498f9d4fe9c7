"""How marts' yml files say what may leave."""

from pathlib import Path

import pytest

from datacentre.errors import ContractError
from sharing.shared_marts import load_shared_marts

YML = """version: 2

models:
  - name: fct_visit
    config:
      meta:
        leaves:
          as_is: [status]
          {way}: [{column}]
    data_tests:
      - unique_together:
          arguments:
            columns: [visit_id]
    columns:
      - {{name: visit_id, data_type: varchar}}
      - {{name: status, data_type: varchar}}
      - {{name: note, data_type: varchar}}
"""


def project(folder: Path, way: str, column: str) -> Path:
    marts = folder / "models" / "marts"
    marts.mkdir(parents=True)
    (marts / "fct_visit.yml").write_text(YML.format(way=way, column=column))
    return folder


def test_what_is_not_named_does_not_leave(tmp_path: Path) -> None:
    mart = load_shared_marts(project(tmp_path, "never", "visit_id"))["fct_visit"]
    assert mart.leaving.columns == ("status",)
    assert mart.unsorted == ("note",)
    assert mart.key == ("visit_id",)


@pytest.mark.parametrize(
    ("way", "column", "told"),
    [
        ("gladly", "visit_id", "one of these ways"),
        ("never", "ward", "'ward' is no column of fct_visit"),
        ("never", "status", "'status' leaves in two ways"),
    ],
)
def test_a_slip_is_named(tmp_path: Path, way: str, column: str, told: str) -> None:
    with pytest.raises(ContractError, match=rf"fct_visit\.yml:\d+: .*{told}"):
        load_shared_marts(project(tmp_path, way, column))
