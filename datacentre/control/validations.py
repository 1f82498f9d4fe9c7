"""What came of each expectation, certificate by certificate: counts only, never a value of a record."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from datacentre.control.store import insert_into
from datacentre.control.tables import validation, validation_suite


@dataclass(frozen=True)
class Demand:
    """One expectation of a suite. `kind` is Great Expectations' name of it, `words` say what it demands."""

    expectation: str
    kind: str
    column: str | None
    severity: str
    words: str


@dataclass(frozen=True)
class Result:
    """What came of one expectation: the rows that it looked at, how many broke it, and whether it was met."""

    expectation: str
    rows: int
    unexpected_count: int
    is_met: bool


@dataclass(frozen=True)
class Validation:
    """One increment against its suite. `results` has those expectations that were asked, in the suite's order."""

    suite_hash: str
    demands: tuple[Demand, ...]
    results: tuple[Result, ...]
    is_passed: bool
    rows: int
    deletions: int
    seconds: float


@dataclass(frozen=True)
class KeptValidation:
    """A validation as it was stored, with the first and the last number of its certificates."""

    certificate_id: int
    last_certificate_id: int
    stream: str
    validated_at: datetime
    validation: Validation


def keep(connection: sa.Connection, stream: str, numbers: Sequence[int], found: Validation) -> None:
    """Store a validation in the transaction that stores its certificates, whose numbers follow each other.

    Raises ValueError for a result that no demand of its suite explains.
    """
    now = datetime.now(UTC)
    demands = [asdict(demand) for demand in found.demands]
    suite = {"hash": found.suite_hash, "stream": stream, "demands": demands, "first_used_at": now}
    connection.execute(insert_into(validation_suite, connection.dialect).on_conflict_do_nothing(), suite)
    results = {r.expectation: _short(r) for r in found.results}
    if unexplained := results.keys() - {demand.expectation for demand in found.demands}:
        raise ValueError(f"{stream}: suite {found.suite_hash} doesn't say what {sorted(unexplained)} demand")
    values = {
        "certificate_id": numbers[0],
        "last_certificate_id": numbers[-1],
        "stream": stream,
        "suite_hash": found.suite_hash,
        "validated_at": now,
        "is_passed": found.is_passed,
        "rows": found.rows,
        "deletions": found.deletions,
        "seconds": found.seconds,
        "results": [results.get(demand.expectation) for demand in found.demands],
        "is_summarised": False,
    }
    connection.execute(validation.insert().values(values))


def _short(result: Result) -> int | tuple[int, int, bool]:
    """Nearly all are met by every row; a number alone is half of what a round stores."""
    is_plain = result.is_met and not result.unexpected_count
    return result.rows if is_plain else (result.rows, result.unexpected_count, result.is_met)


def _result(expectation: str, found: Any) -> Result:
    return Result(expectation, found, 0, True) if isinstance(found, int) else Result(expectation, *found)


def load_validation(engine: sa.Engine, certificate_id: int) -> KeptValidation | None:
    """The validation behind a certificate; None where it had no row, or is older than what is kept."""
    c = validation.c
    query = sa.select(validation).where(c.certificate_id <= certificate_id, c.last_certificate_id >= certificate_id)
    with engine.connect() as connection:
        return next(_kept(connection, query.order_by(c.certificate_id.desc()).limit(1)), None)


def take_new(connection: sa.Connection, limit: int) -> tuple[KeptValidation, ...]:
    """Validations that nobody has taken before, by certificate; they are marked as taken."""
    c = validation.c
    query = sa.select(validation).where(~c.is_summarised).order_by(c.certificate_id).limit(limit)
    taken = tuple(_kept(connection, query))
    if taken:
        until = taken[-1].certificate_id
        mark = validation.update().where(~c.is_summarised, c.certificate_id <= until)
        connection.execute(mark.values(is_summarised=True))
    return taken


def known_demands(engine: sa.Engine, stream: str) -> Mapping[str, Demand]:
    """By expectation, all that the stream was ever held against, in the words of the suite that came up last."""
    c = validation_suite.c
    query = sa.select(c.demands).where(c.stream == stream).order_by(c.first_used_at)
    with engine.connect() as connection:
        suites = [_demands(row) for row in connection.execute(query)]
    return {demand.expectation: demand for suite in suites for demand in suite}


def _kept(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> Iterator[KeptValidation]:
    suites: dict[str, tuple[Demand, ...]] = {}
    for row in connection.execute(query).mappings().all():
        suite = row["suite_hash"]
        if suite not in suites:
            found = sa.select(validation_suite.c.demands).where(validation_suite.c.hash == suite)
            suites[suite] = _demands(connection.execute(found).one())
        yield KeptValidation(
            row["certificate_id"],
            row["last_certificate_id"],
            row["stream"],
            row["validated_at"],
            _validation(row, suites[suite]),
        )


def _demands(row: sa.Row[Any]) -> tuple[Demand, ...]:
    return tuple(Demand(**demand) for demand in row.demands)


def _validation(row: sa.RowMapping, demands: tuple[Demand, ...]) -> Validation:
    results = tuple(
        _result(demand.expectation, found)
        for demand, found in zip(demands, row["results"], strict=True)
        if found is not None
    )
    kept = {name: row[name] for name in ("suite_hash", "is_passed", "rows", "deletions", "seconds")}
    return Validation(demands=demands, results=results, **kept)
