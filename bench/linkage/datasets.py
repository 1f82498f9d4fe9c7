"""The published sets, with their truth; see PROVENANCE.md beside the files.

None is used to choose a weight or threshold: a model learns from the records of the set alone.
"""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from datacentre.errors import ContractError
from registry.linkage import Roles

_FEBRL = Roles(
    given_name="given_name",
    surname="surname",
    birth_date="date_of_birth",
    place="suburb",
    area_code="postcode",
    street="address_1",
    locality="address_2",
    house_number="street_number",
    region="state",
)
_HISTORICAL = Roles(
    given_name="first_name",
    surname="surname",
    full_name="full_name",
    birth_date="dob",
    sex="gender",
    place="birth_place",
    area_code="postcode_fake",
    occupation="occupation",
)


@dataclass(frozen=True)
class DataSet:
    """One file to be searched for duplicates, or two to be linked. `person` says whose a row is."""

    name: str
    files: tuple[str, ...]
    roles: Roles
    record_id: str
    person: Callable[[Mapping[str, str]], str]

    def read(self, folder: Path) -> tuple[list[pa.Table], dict[str, str]]:
        """The tables, and person by record id; raises ContractError naming a file that isn't there."""
        rows = [_rows(folder / file) for file in self.files]
        truth = {row[self.record_id]: self.person(row) for of_file in rows for row in of_file}
        return [pa.Table.from_pylist(of_file) for of_file in rows], truth


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            read = csv.reader(lines, skipinitialspace=True)
            header = [name.strip() for name in next(read)]
            return [dict(zip(header, row, strict=True)) for row in read]
    except FileNotFoundError:
        raise ContractError(f"{file} is missing: --data names the folder of the published sets") from None


def _febrl_person(row: Mapping[str, str]) -> str:
    """`rec-1070-org` and `rec-1070-dup-0` are one person."""
    found = re.match(r"rec-(\d+)-", row["rec_id"])
    if found is None:
        raise ContractError(f"FEBRL record {row['rec_id']}: not rec-<number>-...")
    return found[1]


def _cluster(row: Mapping[str, str]) -> str:
    return row["cluster"]


DATA_SETS = (
    DataSet("FEBRL 4a/4b", ("febrl_dataset4a.csv", "febrl_dataset4b.csv"), _FEBRL, "rec_id", _febrl_person),
    DataSet("FEBRL 1", ("febrl_dataset1.csv",), _FEBRL, "rec_id", _febrl_person),
    DataSet("FEBRL 2", ("febrl_dataset2.csv",), _FEBRL, "rec_id", _febrl_person),
    DataSet("historical half", ("historical_half.csv",), _HISTORICAL, "unique_id", _cluster),
)
