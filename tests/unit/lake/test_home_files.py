"""Whatever kind of file holds a person is found; text and SQLite are cleaned in place."""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from datacentre.pseudonym import PseudonymKey
from lake.home_files import search, take_out
from lake.person import Person

CID = "11705551234"
OTHER = "11705559999"
KEY = PseudonymKey("k1", b"s" * 32)
PERSON = Person(KEY.pseudonym(CID), KEY, ["^[0-9]{11}$"])


def parquet(file: Path, text: str) -> None:
    lists = pa.array([["a", f"no {text}"]] * 50, pa.list_(pa.string()))
    pq.write_table(pa.table({"n": range(50), "lists": lists}), file, compression="zstd", write_statistics=False)


def marts(file: Path, text: str) -> None:
    with duckdb.connect(str(file)) as store:
        store.execute("create schema s; create table s.t as select range as n, ? as said from range(5000)", [text])


def sqlite(file: Path, text: str) -> None:
    with closing(sqlite3.connect(file)) as store:
        store.execute("pragma journal_mode = wal")
        store.execute("create table t (said text, n integer)")
        store.executemany("insert into t values (?, ?)", [("x", 1), (f'{{"a": "{text}"}}', 2)])
        store.commit()


def long_text(file: Path, text: str) -> None:
    file.write_text("." * (4 * 1024 * 1024 - 5) + text)  # over the border of two pieces


WRITERS = {
    "parquet": parquet,
    "duckdb": marts,
    "sqlite": sqlite,
    "text": long_text,
    "gzip": lambda file, text: file.write_bytes(gzip.compress(text.encode())),
    "zstd": lambda file, text: file.write_bytes(zstandard.compress(text.encode())),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_found_in_every_format(kind: str, tmp_path: Path) -> None:
    for name, text in (("held", CID), ("other", OTHER)):
        (tmp_path / name).mkdir()
        WRITERS[kind](tmp_path / name / "file", text)
    found = search(tmp_path, PERSON)
    assert {file.parent.name for file in found.holding} == {"held"}
    assert found.files >= 2
    assert search(tmp_path, PERSON, left_out=["held"]).holding == ()


def test_log_lines_are_blanked_in_place_while_another_process_appends(tmp_path: Path) -> None:
    file = tmp_path / "sink.log"
    file.write_bytes(f"first\nsent {CID}\r\nlast".encode())
    with file.open("ab") as appending:
        take_out(file, PERSON)
        appending.write(b", more\n")
    assert file.read_bytes() == b"first\n[erased]        \r\nlast, more\n"


def test_an_sqlite_store_keeps_no_freed_page_with_the_person(tmp_path: Path) -> None:
    file = tmp_path / "control.sqlite"
    sqlite(file, CID)
    take_out(file, PERSON)
    assert search(tmp_path, PERSON).holding == ()
    with closing(sqlite3.connect(file)) as store:
        assert store.execute("select said from t order by n").fetchall() == [("x",), ('{"a": "***********"}',)]


def test_a_binary_file_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "copy.gz"
    file.write_bytes(gzip.compress(CID.encode()))
    before = file.read_bytes()
    take_out(file, PERSON)
    assert file.read_bytes() == before


def test_another_folder_is_searched_too_and_a_file_of_two_names_is_read_once(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, home / "backups", elsewhere):
        folder.mkdir()
    (home / "log").write_text(f"sent {CID}")
    (elsewhere / "log").hardlink_to(home / "log")
    (elsewhere / "other").write_text(f"sent {CID}")

    found = search(home, PERSON, elsewhere=[home / "backups", elsewhere])
    assert (found.files, found.holding) == (2, (home / "log", elsewhere / "other"))
