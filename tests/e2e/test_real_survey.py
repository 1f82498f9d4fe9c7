"""A real survey file through the whole program: what `query` prints equals what the file says."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from datacentre.settings import Settings
from tests.conftest import command_environment

pytestmark = pytest.mark.broker
SURVEYS = {2013: "Q7O_WHOLE", 2017: "Q7ALL"}
"""Year of the file, and its column with the overall rating (1 to 5; else not rated)."""

QUERY = """
    select year(response_date) as year, count(overall_rating) as rated, avg(overall_rating) as mean
    from fct_exit_survey_response group by 1 order by 1
"""


def datacentre(centre: Settings, *arguments: str) -> str:
    command = [sys.executable, "-m", "datacentre.cli", *arguments]
    done = subprocess.run(command, env=command_environment(centre), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def rated_in_file(file: Path, column: str) -> list[int]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        values = [row[column].strip() for row in csv.DictReader(lines)]
    return [int(float(v)) for v in values if v.replace(".0", "") in {"1", "2", "3", "4", "5"}]


def test_the_mean_rating_by_year_is_the_file_s(centre: Settings, shared_data: Path) -> None:
    files = {year: shared_data / "airport_survey" / f"{year}_SFO_Customer_Survey.csv" for year in SURVEYS}
    for year, file in files.items():
        datacentre(centre, "send", "dot__exit_survey", str(file), "--mapping", f"sfo_survey_{year}")
    # The same file once more: its events have the same ids and must not count twice.
    datacentre(centre, "send", "dot__exit_survey", str(files[2017]), "--mapping", "sfo_survey_2017")
    datacentre(centre, "sink", "--until-caught-up")
    datacentre(centre, "verify", "dot__exit_survey")
    datacentre(centre, "check")
    datacentre(centre, "build")
    printed = {int(r["year"]): r for r in csv.DictReader(datacentre(centre, "query", "--csv", QUERY).splitlines())}

    assert sorted(printed) == sorted(SURVEYS)
    for year, column in SURVEYS.items():
        rated = rated_in_file(files[year], column)
        assert len(rated) > 1000
        assert int(printed[year]["rated"]) == len(rated)
        assert float(printed[year]["mean"]) == pytest.approx(sum(rated) / len(rated), rel=1e-12)
