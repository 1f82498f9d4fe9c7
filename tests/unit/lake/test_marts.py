"""Published versions of the marts."""

from pathlib import Path

import pytest

from datacentre.errors import CheckFailed, SourceUnavailable
from lake.marts import only_writer, publish, published, work_file


def build(marts: Path, content: str) -> Path:
    marts.mkdir(exist_ok=True)
    work_file(marts).write_text(content)
    return publish(marts)


def test_readers_see_the_newest_and_keep_what_they_opened(tmp_path: Path) -> None:
    first = build(tmp_path, "first")
    with published(tmp_path).open() as reader:
        build(tmp_path, "second")
        assert reader.read() == "first"
    assert published(tmp_path).read_text() == "second"
    assert first.read_text() == "first"
    assert published(tmp_path).stat().st_mode & 0o222 == 0


def test_three_versions_are_kept(tmp_path: Path) -> None:
    for number in range(5):
        build(tmp_path, str(number))
    assert [f.read_text() for f in sorted(tmp_path.glob("centre-*"))] == ["2", "3", "4"]


def test_before_a_build_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="datacentre build"):
        published(tmp_path)


def test_a_second_build_is_refused_while_one_runs(tmp_path: Path) -> None:
    with only_writer(tmp_path), pytest.raises(SourceUnavailable, match="another build"), only_writer(tmp_path):
        pass
    with only_writer(tmp_path):
        pass
