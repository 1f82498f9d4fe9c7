"""The pages of what was validated, drawn by a command."""

from pathlib import Path

from datacentre.control.certificates import Failing, Judgement, Status, record
from datacentre.control.ranges import OffsetRange
from datacentre.control.store import opened
from datacentre.settings import from_environment
from tests.unit.cli.test_errors import one_line, run


def test_it_prints_where_the_pages_begin(tmp_path: Path) -> None:
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path / "home")})
    failing = Failing("rating.range", "critical", 2, ("1:3", "1:7"))
    of_before_there_was_history = Judgement(Status.HELD, "critical: rating.range (2 rows)", (failing,), "c", "s", 4)
    with opened(settings.control_url) as store:
        (number,) = record(store, "rcsc__service_feedback", [OffsetRange(1, 0, 10)], of_before_there_was_history)
    done = run(tmp_path, "docs", "validation")
    assert done.stdout.splitlines() == [str(settings.home / "docs" / "validation" / "index.html")]
    assert Path(done.stdout.strip()).is_file()
    assert "1:7" in (settings.validation_pages / f"increment-{number}.html").read_text()


def test_a_retention_that_is_no_number_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "docs", "validation", DATACENTRE_VALIDATION_DAYS="a week")
    assert done.returncode == 2
    assert "DATACENTRE_VALIDATION_DAYS='a week' must be a positive whole number" in one_line(done)
