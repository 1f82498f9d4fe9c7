"""Learning from records whose person is known, among people who share a handful of names."""

from random import Random

import pyarrow as pa
import pytest

from datacentre.errors import CheckFailed
from registry.linkage import Linkage, Model, Roles
from registry.linkage.roles import columns
from registry.linkage.smoothing import smoothed

ROLES = Roles(full_name="full_name", birth_date="birth_date", sex="sex", local_number="local_number")
NAMES = ("Tshering Lhamo", "Sonam Choden", "Pema Wangmo")
PEOPLE = 300


def file(prefix: str) -> pa.Table:
    """The same people in each file; every second one has a local number there, which never differs."""
    chance = Random(3)
    rows = [
        {
            "id": f"{prefix}{n}",
            "full_name": chance.choice(NAMES),
            "birth_date": f"19{50 + n % 50}-0{n % 9 + 1}-{10 + n // 50}",
            "sex": "f",
            "local_number": str(n) if n % 2 else None,
        }
        for n in range(PEOPLE)
    ]
    table = columns(pa.Table.from_pylist(rows), "id", ROLES)
    return table.append_column("person", pa.array([str(n) for n in range(PEOPLE)]))


@pytest.fixture(scope="module")
def files() -> list[pa.Table]:
    return [file("a"), file("b")]


@pytest.fixture(scope="module")
def model(files: list[pa.Table]) -> Model:
    return Linkage(ROLES, files).learn("person")


def chances(model: Model) -> list[tuple[str, float, float]]:
    return [
        (comparison["output_column_name"], level["m_probability"], level["u_probability"])
        for comparison in model.settings["comparisons"]
        for level in comparison["comparison_levels"]
        if not level.get("is_null_level")
    ]


def test_no_level_is_impossible(model: Model) -> None:
    found = chances(model)
    assert {name for name, _, _ in found} == {"name", "birth_date", "sex", "local_number"}
    assert all(m >= 1 / PEOPLE and u > 0 for _, m, u in found)


def test_people_of_one_name_are_not_one_person(files: list[pa.Table], model: Model) -> None:
    scores = Linkage(ROLES, files).score(model, 0.5).to_pylist()
    found = {(row["record_id_l"][1:], row["record_id_r"][1:]) for row in scores}
    assert len(found) >= 0.9 * PEOPLE
    assert all(left == right for left, right in found)


def test_the_prior_is_the_share_of_pairs_that_are_one_person(model: Model) -> None:
    assert model.prior == pytest.approx(1 / PEOPLE)


def test_strangers_teach_nothing(files: list[pa.Table]) -> None:
    others = files[1].set_column(files[1].column_names.index("person"), "person", pa.array(["x"] * PEOPLE))
    with pytest.raises(CheckFailed, match="nothing to learn from"):
        Linkage(ROLES, [files[0], others]).learn("person")


def test_a_level_that_nobody_has_shown_says_nothing() -> None:
    levels = [
        {"is_null_level": True},
        {"m_probability": 1.0, "u_probability": 0.2},
        {"u_probability": 0.8},
        {"m_probability": 0.5},
        {},
    ]
    found = smoothed({"comparisons": [{"comparison_levels": levels}]}, 100, 1000)["comparisons"][0]["comparison_levels"]
    assert found[0] == {"is_null_level": True}
    assert [(level["m_probability"], level["u_probability"]) for level in found[1:]] == [
        (1.0, 0.2),
        (0.01, 0.8),
        (0.5, 0.001),
        (0.01, 0.01),
    ]
