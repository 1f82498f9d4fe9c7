"""The validation pages: what they show, what they never show, and that they change as a whole."""

import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from threading import Event, Thread

import duckdb
import pytest

from datacentre.contracts import Contract
from datacentre.control import certificates
from datacentre.control.store import opened
from datacentre.pages.site import replace_site
from datacentre.settings import Settings, from_environment
from datacentre.stages.check import check
from datacentre.stages.validation_docs import draw_validation, refresh_validation
from tests.unit.stages.conftest import STREAM, Land, lander

RAW = 987_654_321
"""A rating that no rule allows."""


@pytest.fixture(scope="module")
def drawn_once(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """For tests that only read."""
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path_factory.mktemp("home"))})
    _check_some(settings, lander(settings, contract))
    draw_validation(settings)
    return settings


@pytest.fixture
def checked(settings: Settings, land: Land) -> Settings:
    _check_some(settings, land)
    return settings


def _check_some(settings: Settings, land: Land) -> None:
    """Three increments that pass, and one of four rows that is held for a value that is nowhere else."""
    for start in (0, 5, 10):
        land(0, start, start + 5)
        check(settings)
    land(0, 15, 19, rating=RAW)
    check(settings)


def pages(settings: Settings) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(settings.validation_pages.glob("*.html"))}


def held_number(settings: Settings) -> int:
    with opened(settings.control_url) as control:
        (one,) = certificates.held(control)
    return one.id


def shown(page: str) -> str:
    """The text of a page, tags left out."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_pages_tell_what_passed_and_what_is_held_with_its_records(drawn_once: Settings) -> None:
    number, drawn = held_number(drawn_once), pages(drawn_once)
    assert "75 % of 4 75 % of 4 1 held" in shown(drawn["index.html"])
    stream = shown(drawn[f"{STREAM}.html"])
    assert "Held now: 1" in stream and "critical: rating.range (4 rows)" in stream
    assert re.search(r"rating\.range It is 1 to 5\. critical 4 1 19 4 \d{4}-\d\d-\d\d: 1 ", stream)
    increment = shown(drawn[f"increment-{number}.html"])
    assert "p0 15..19" in increment and "0:15 , 0:16 , 0:17 , 0:18" in increment and "It is 1 to 5." in increment
    assert f"datacentre hold release {number}" in increment


def test_no_value_of_a_failing_record_is_on_any_page(drawn_once: Settings) -> None:
    files = [str(f) for f in (drawn_once.lake / "landed" / STREAM).rglob("*.parquet")]
    with duckdb.connect() as connection:
        landed = connection.execute("select distinct rating from read_parquet($files)", {"files": files}).fetchall()
    assert (RAW,) in landed
    drawn = pages(drawn_once)
    assert len(drawn) == 10
    for name, text in drawn.items():
        assert str(RAW) not in text and f"{RAW:,}" not in text, name
        assert "F-0-15" not in text and "e0-15" not in text, name


def test_pages_load_nothing_and_run_nothing(drawn_once: Settings) -> None:
    for name, text in pages(drawn_once).items():
        assert "://" not in text, name
        assert not re.search(r"<(script|link|img|iframe|object|embed)|@import|url\(|\son\w+=|\ssrc=", text), name
        assert "default-src 'none'" in text, name


class _Page(HTMLParser):
    """Collects what a page must have; fails where tags don't nest."""

    EMPTY = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def test_pages_can_be_read_without_seeing_them(drawn_once: Settings) -> None:
    drawn = pages(drawn_once)
    for name, text in drawn.items():
        page = _Page(text)
        assert page.all("html") == [{"lang": "en"}], name
        assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) - len(page.all("svg")) == 1, name
        assert len(page.all("caption")) == len(page.all("table")) > 0, name
        assert all(th.get("scope") in ("col", "row") for th in page.all("th")), name
        assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg")), name
        targets = {str(a["href"]).partition("#")[0] for a in page.all("a")}
        assert targets <= {*drawn}, name


def test_colours_of_text_stand_out(drawn_once: Settings) -> None:
    style = pages(drawn_once)["index.html"]
    colours = set(re.findall(r"(?<![-\w])color: (#[0-9a-f]{6})", style))
    assert len(colours) >= 5
    assert all(_contrast(colour, "#f2f4f7") >= 4.5 for colour in colours)


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_decision_shows_and_nothing_new_draws_nothing(checked: Settings) -> None:
    draw_validation(checked)
    number = held_number(checked)
    assert f"increment-{number}.html" in pages(checked)
    assert refresh_validation(checked) is None
    with opened(checked.control_url) as control:
        certificates.release(control, number, "clerk", f"he wrote {RAW}")
    assert refresh_validation(checked) is not None
    assert f"increment-{number}.html" not in pages(checked)
    assert not any(str(RAW) in text for text in pages(checked).values())


def test_a_centre_that_has_checked_nothing_has_pages(settings: Settings) -> None:
    assert draw_validation(settings) == settings.home / "docs" / "validation" / "index.html"
    assert "no increment" in pages(settings)["index.html"]


def test_an_interrupted_drawing_leaves_the_old_pages(checked: Settings, land: Land) -> None:
    draw_validation(checked)
    before = pages(checked)
    land(0, 19, 24)
    check(checked)
    order = {"DATACENTRE_CRASH_AT": "page-written:3", "DATACENTRE_HOME": str(checked.home)}
    command = [sys.executable, "-m", "datacentre.cli", "docs", "validation"]
    killed = subprocess.run(command, env=os.environ | order, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(_folders(checked)) == 2
    assert pages(checked) == before
    assert refresh_validation(checked) is not None
    assert pages(checked) != before and "80 % of 5" in pages(checked)["index.html"]
    refresh_validation(checked)
    assert len(_folders(checked)) == 2  # those that are shown, and those before


def _folders(settings: Settings) -> list[Path]:
    return [f for f in settings.validation_pages.parent.iterdir() if f.is_dir() and not f.is_symlink()]


def test_a_reader_always_finds_a_whole_page(tmp_path: Path) -> None:
    """No read outlasts two swaps: the pages before the last ones stay."""
    folder, ended, broken = tmp_path / "docs" / "pages", Event(), []
    reads = 0
    texts = [str(n) * 200_000 for n in range(10)]
    replace_site(folder, {"index.html": texts[0]})

    def read() -> None:
        nonlocal reads
        while not ended.is_set():
            try:
                text = (folder / "index.html").read_text()
            except OSError as problem:
                broken.append(repr(problem))
            else:
                broken.extend([text[:9]] if text not in texts else [])
            reads += 1

    reader = Thread(target=read)
    reader.start()
    for text in texts * 5:
        before = reads
        replace_site(folder, {"index.html": text})
        while reads == before:
            time.sleep(0)
    ended.set()
    reader.join()
    assert broken == []


def test_whoever_has_just_followed_the_link_still_finds_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    replace_site(folder, {"index.html": "old"})
    followed = folder.resolve()
    replace_site(folder, {"index.html": "new"})
    assert ((followed / "index.html").read_text(), (folder / "index.html").read_text()) == ("old", "new")
    replace_site(folder, {"index.html": "newer"})
    assert not followed.exists()


def test_pages_replace_a_folder_that_was_copied_without_its_link(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "old.html").write_text("old")
    replace_site(folder, {"index.html": "new"})
    assert [f.name for f in folder.iterdir()] == ["index.html"]
