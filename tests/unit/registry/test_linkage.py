"""Records of simulated citizens, and of a published set, found again without a number."""

from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.linkage.datasets import DATA_SETS
from bench.linkage.quality import Quality, of_clusters, of_pairs, true_pairs
from connectors.sources.simulation.population import Person, Population
from connectors.sources.simulation.reference import read_reference
from datacentre.errors import CheckFailed, ContractError
from datacentre.settings import from_environment
from registry.linkage import Linkage, Roles, Thresholds
from registry.linkage.clusters import clusters
from registry.linkage.roles import PAIRED, RECORD_ID, columns
from registry.linkage.romanisation import name_key

ROLES = Roles(full_name="name", birth_date="birth_date", sex="sex", contact="phone")
_TEXTS = pa.list_(pa.string())
_SPELLINGS = {"Tshering": "Tsering", "Dorji": "Dorjee", "Phuntsho": "Puntshok", "Choden": "Chhoden", "Yeshi": "Yeshey"}


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return Population(read_reference(from_environment({}).reference), seed=7, size=2_000).people


def registry(people: list[Person]) -> pa.Table:
    return pa.Table.from_pylist([_row(person) for person in people])


def visits(people: list[Person]) -> pa.Table:
    """What a clerk at a desk writes of every third of them: other spellings, one name of two, a slip of a day."""
    random = Random(11)
    return pa.Table.from_pylist([_carelessly(_row(person), random) for person in people[::3]])


def _row(person: Person) -> dict[str, str]:
    return {
        "id": person.cid,
        "name": person.full_name,
        "birth_date": person.birth_date,
        "sex": person.sex,
        "phone": person.phone,
    }


def _carelessly(row: dict[str, str], random: Random) -> dict[str, str]:
    words = [_SPELLINGS.get(word, word) for word in row["name"].split()]
    if random.random() < 0.1:
        words = words[:1]
    if random.random() < 0.1:
        words.reverse()
    day = row["birth_date"]
    if random.random() < 0.1:
        day = day[:-1] + str((int(day[-1]) + 1) % 10)
    phone = row["phone"] if random.random() < 0.7 else ""
    return row | {"name": " ".join(words), "birth_date": day, "phone": phone}


def test_citizens_are_found_again_by_name_in_any_spelling(people: list[Person]) -> None:
    tables = [columns(table, "id", ROLES, name_key) for table in (registry(people), visits(people))]
    linkage = Linkage(ROLES, tables)
    model = linkage.train()
    scores = linkage.score(model)
    sure = scores.filter(pc.greater_equal(scores["match_probability"], Thresholds.linked))
    found = _quality(sure, tables)
    assert found.precision == 1.0
    assert found.recall > 0.9
    assert sorted(linkage.score(model).to_pylist(), key=str) == sorted(scores.to_pylist(), key=str)


def _quality(links: pa.Table, tables: list[pa.Table]) -> Quality:
    ids = [table[RECORD_ID].to_pylist() for table in tables]
    truth = {cid: cid for of_table in ids for cid in of_table}
    pairs = zip(links["record_id_l"].to_pylist(), links["record_id_r"].to_pylist(), strict=True)
    return of_pairs(pairs, truth, true_pairs(truth, ids))


def test_only_pairs_that_somebody_else_found_are_scored(people: list[Person]) -> None:
    tables = [columns(table, "id", ROLES, name_key) for table in (registry(people), visits(people))]
    model = Linkage(ROLES, tables).train()
    freely = {_ids(row): row["match_probability"] for row in Linkage(ROLES, tables).score(model).to_pylist()}
    given = dict(sorted(freely.items())[::7])
    left, right = zip(*given, strict=True)
    of_left = {key: [visit for person, visit in given if person == key] for key in left}
    paired = [
        table.append_column(PAIRED, pa.array([pairs.get(key) for key in table[RECORD_ID].to_pylist()], _TEXTS))
        for table, pairs in zip(tables, (of_left, {key: [key] for key in right}), strict=True)
    ]
    found = {_ids(row): row["match_probability"] for row in Linkage(ROLES, paired).score(model).to_pylist()}
    assert found == pytest.approx(given)


def _ids(row: dict[str, str]) -> tuple[str, str]:
    return row["record_id_l"], row["record_id_r"]


def test_published_duplicates_are_found(shared_data: Path) -> None:
    (data_set,) = (d for d in DATA_SETS if d.name == "FEBRL 1")
    (file,), truth = data_set.read(shared_data / "linkage")
    table = columns(file, data_set.record_id, data_set.roles)
    linkage = Linkage(data_set.roles, [table])
    found = clusters(table[RECORD_ID], linkage.score(linkage.train()), Thresholds.linked)
    quality = of_clusters(dict(zip(found[RECORD_ID].to_pylist(), found["cluster_id"].to_pylist(), strict=True)), truth)
    assert quality.precision >= 0.999
    assert quality.recall >= 0.985


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ContractError, match="no column phone to link by; there are id, name"):
        columns(pa.table({"id": ["1"], "name": ["Dorji"]}), "id", Roles(full_name="name", contact="phone"))


def test_records_that_say_too_little_are_refused() -> None:
    table = columns(pa.table({"id": ["1", "2"], "sex": ["f", "m"]}), "id", Roles(sex="sex"))
    with pytest.raises(CheckFailed, match="nothing to learn from: sex say too little"):
        Linkage(Roles(sex="sex"), [table]).train()


def test_columns_are_plain_text_and_the_words_of_a_name() -> None:
    table = pa.table({"id": [7, 8], "first": [" Pema ", ""], "second": ["DORJEE", "Rai"], "born": ["1990-01-02", None]})
    roles = Roles(given_name="first", surname="second", birth_date="born")
    assert columns(table, "id", roles, name_key).to_pylist() == [
        {
            "record_id": "7",
            "given_name": "pema",
            "surname": "dorjee",
            "birth_date": "1990-01-02",
            "full_name": "pema dorjee",
            "name_tokens": ["dorji", "pema"],
        },
        {
            "record_id": "8",
            "given_name": None,
            "surname": "rai",
            "birth_date": None,
            "full_name": "rai",
            "name_tokens": ["rai"],
        },
    ]
