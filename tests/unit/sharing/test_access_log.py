"""Every change of the access log is found; what a kill leaves behind is none."""

import asyncio
import multiprocessing
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datacentre.errors import CheckFailed
from datacentre.signing import public_key_file
from sharing.access_log import files
from sharing.access_log.entry import Read
from sharing.access_log.grouped import GroupedLog
from sharing.access_log.head import head_file
from sharing.access_log.log import AccessLog
from sharing.access_log.verification import entries, verify

Change = Callable[[list[bytes]], Sequence[bytes]]


def read(number: int) -> Read:
    return Read("rcsc", "0a1b2c3d", "service-evaluation", "rows", "fct_service_case", "3", ("outcome",), number)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A log of twelve entries in three files, written by three writers."""
    return written(tmp_path)


def written(home: Path) -> Path:
    whole = files.FILE_BYTES
    files.FILE_BYTES = 1_200
    try:
        for start in (0, 4, 8):
            log = AccessLog(home)
            for number in range(start, start + 4):
                log.write([read(number)])
            log.settle()
    finally:
        files.FILE_BYTES = whole
    assert files.files(home) == [1, 2, 3]
    return home


def test_what_was_written_is_read_in_order(home: Path) -> None:
    assert [(entry.number, entry.read.rows) for entry in entries(home)] == [(n + 1, n) for n in range(12)]
    assert verify(home).entries == 12


def written_and_settled(home: Path, *numbers: int) -> None:
    log = AccessLog(home)
    log.write([read(number) for number in numbers])
    log.settle()


def changed(home: Path, file: int, change: Change) -> None:
    place = files.log_file(home, file)
    place.write_bytes(b"".join(change(place.read_bytes().splitlines(keepends=True))))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (1, lambda lines: lines[1:]),
        (2, lambda lines: [lines[0], *lines[2:]]),
        (2, lambda lines: [lines[1], lines[0], *lines[2:]]),
        (3, lambda lines: lines[:-1]),
        (3, lambda lines: []),
        (2, lambda lines: [*lines, lines[-1]]),
    ],
    ids=["first removed", "one removed", "two swapped", "last cut off", "file emptied", "one repeated"],
)
def test_a_removed_moved_or_repeated_entry_is_found(home: Path, file: int, change: Change) -> None:
    changed(home, file, change)
    with pytest.raises(CheckFailed):
        verify(home)


@pytest.mark.parametrize("file", [1, 2, 3])
def test_a_missing_file_is_found(home: Path, file: int) -> None:
    files.log_file(home, file).unlink()
    with pytest.raises(CheckFailed):
        verify(home)


def test_a_missing_head_is_found(home: Path) -> None:
    head_file(home).unlink()
    with pytest.raises(CheckFailed):
        verify(home)


def test_any_changed_byte_is_found() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = written(Path(folder))
        places = [*(files.log_file(home, n) for n in files.files(home)), head_file(home)]

        @settings(max_examples=150, deadline=None)
        @given(place=st.sampled_from(places), where=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
        def flip(place: Path, where: float, mask: int) -> None:
            whole = place.read_bytes()
            position = int(where * len(whole))
            place.write_bytes(whole[:position] + bytes([whole[position] ^ mask]) + whole[position + 1 :])
            try:
                with pytest.raises(CheckFailed):
                    verify(home)
            finally:
                place.write_bytes(whole)

        flip()
        assert verify(home).unsigned == 0


def test_nothing_is_added_to_a_log_that_was_cut(home: Path) -> None:
    log = AccessLog(home)
    changed(home, 3, lambda lines: lines[:-1])
    with pytest.raises(CheckFailed, match="audit verify"):
        log.write([read(99)])


def test_a_log_that_was_put_back_with_its_head_is_found_by_a_checkpoint(home: Path, tmp_path: Path) -> None:
    state = {file: file.read_bytes() for file in files.folder(home).iterdir()}
    written_and_settled(home, 12)
    checkpoint = tmp_path / "given-out.json"
    checkpoint.write_bytes(head_file(home).read_bytes())
    verify(home, public_key_file(home), checkpoint)
    for file, content in state.items():
        file.write_bytes(content)
    verify(home)
    with pytest.raises(CheckFailed, match="entry 13"):
        verify(home, checkpoint=checkpoint)


def test_a_line_that_a_kill_has_cut_short_is_overwritten(home: Path) -> None:
    file = files.log_file(home, 3)
    whole = file.read_bytes()
    file.write_bytes(whole + whole.splitlines()[-1][:100])
    assert verify(home).entries == 12
    AccessLog(home).write([read(12)])
    assert verify(home).entries == 13
    assert [entry.read.rows for entry in entries(home)] == list(range(13))


def test_entries_that_no_head_has_signed_yet_are_kept(home: Path) -> None:
    AccessLog(home).write([read(12), read(13)])
    assert verify(home).unsigned == 2
    written_and_settled(home, 14)
    assert (verify(home).entries, verify(home).unsigned) == (15, 0)


def _many(home: Path, count: int) -> None:
    log = AccessLog(home)
    for number in range(count):
        log.write([read(number)])
        if number % 3 == 0:
            log.settle()
    log.settle()


def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_many, args=(tmp_path, 30)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (verify(tmp_path).entries, verify(tmp_path).unsigned) == (90, 0)


def test_a_killed_writer_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_many, args=(tmp_path, 1_000_000))
    worker.start()
    while not files.files(tmp_path) or files.log_file(tmp_path, 1).stat().st_size < 10_000:
        worker.join(0.02)
    worker.kill()
    worker.join()
    before = verify(tmp_path).entries
    AccessLog(tmp_path).write([read(0)])
    assert verify(tmp_path).entries == before + 1


def test_reads_that_wait_are_written_together(tmp_path: Path) -> None:
    async def write_many() -> None:
        log = GroupedLog(AccessLog(tmp_path))
        await asyncio.gather(*(log.write(read(number)) for number in range(200)))
        log.close()

    asyncio.run(write_many())
    found = list(entries(tmp_path))
    assert [entry.read.rows for entry in found] == list(range(200))
    assert len({entry.at for entry in found}) < 20
    assert (verify(tmp_path).entries, verify(tmp_path).unsigned) == (200, 0)


def test_a_running_service_settles_by_itself(tmp_path: Path) -> None:
    async def write_one() -> None:
        log = GroupedLog(AccessLog(tmp_path))
        await log.write(read(0))
        for _ in range(100):
            await asyncio.sleep(0.05)
            if verify(tmp_path).unsigned == 0:
                break
        assert verify(tmp_path).unsigned == 0
        log.close()

    asyncio.run(write_one())
