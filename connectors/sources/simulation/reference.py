"""The reference lists the simulation draws codes from."""

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from datacentre.errors import ContractError


@dataclass(frozen=True)
class Department:
    """`daily_capacity` in visits a day, `slot_minutes` in minutes of one booking."""

    code: str
    kind: str
    daily_capacity: float
    slot_minutes: int


@dataclass(frozen=True)
class Office:
    code: str
    kind: str
    dzongkhag_code: str
    agency: str


@dataclass(frozen=True)
class Service:
    code: str
    agency: str
    standard_working_days: float


@dataclass(frozen=True)
class Reference:
    """Codes of the country; `gewogs` and `dzongkhags` map a code to its population (people, 2017)."""

    gewogs: dict[str, float]
    dzongkhags: dict[str, float]
    dzongkhag_of: dict[str, str]
    departments: tuple[Department, ...]
    offices: tuple[Office, ...]
    services: tuple[Service, ...]
    nationality_groups: tuple[str, ...]
    holidays: frozenset[date]

    def offices_of(self, agency: str) -> tuple[Office, ...]:
        return tuple(office for office in self.offices if office.agency == agency)


def read_reference(folder: Path) -> Reference:
    """Read the lists; raises ContractError naming a list or column that is missing."""
    gewogs = _rows(folder, "gewog", "code", "dzongkhag_code", "population_2017")
    dzongkhags = _rows(folder, "dzongkhag", "code", "population_2017")
    return Reference(
        gewogs={row["code"]: _number(row["population_2017"]) for row in gewogs},
        dzongkhags={row["code"]: _number(row["population_2017"]) for row in dzongkhags},
        dzongkhag_of={row["code"]: row["dzongkhag_code"] for row in gewogs},
        departments=tuple(
            Department(row["code"], row["kind"], _number(row["daily_capacity"]), int(row["slot_minutes"]))
            for row in _rows(folder, "department", "code", "kind", "daily_capacity", "slot_minutes")
        ),
        offices=tuple(
            Office(row["code"], row["kind"], row["dzongkhag_code"], row["agency"])
            for row in _rows(folder, "office", "code", "kind", "dzongkhag_code", "agency")
        ),
        services=tuple(
            Service(row["code"], row["agency"], _number(row["standard_working_days"]))
            for row in _rows(folder, "service", "code", "agency", "standard_working_days")
        ),
        nationality_groups=tuple(row["code"] for row in _rows(folder, "nationality_group", "code")),
        holidays=frozenset(date.fromisoformat(row["holiday_date"]) for row in _rows(folder, "holiday", "holiday_date")),
    )


def _rows(folder: Path, name: str, *columns: str) -> list[dict[str, str]]:
    file = folder / f"{name}.csv"
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except FileNotFoundError:
        raise ContractError(f"reference list {file} is missing") from None
    if not rows:
        raise ContractError(f"reference list {file} is empty")
    missing = [column for column in columns if column not in rows[0]]
    if missing:
        raise ContractError(f"reference list {file} has no column {', '.join(missing)}")
    return rows


def _number(text: str) -> float:
    """A count that isn't published weighs one, so that its code still occurs."""
    return float(text) if text else 1.0
