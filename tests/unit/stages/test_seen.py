"""Which offsets wait for how long."""

from pathlib import Path

from datacentre.stages.seen import Seen, read_seen, waiting, write_seen


def test_it_waits_until_every_partition_is_published_up_to_it() -> None:
    first, second, third = Seen(100, {0: 5, 1: 2}), Seen(115, {0: 9, 1: 2}), Seen(130, {0: 9, 1: 2})
    known = waiting((), first, {})
    known = waiting(known, second, {})
    assert waiting(known, third, {}) == (first, second)  # nothing has arrived since
    assert waiting(known, third, {0: 5, 1: 1}) == (first, second)
    assert waiting(known, third, {0: 5, 1: 2}) == (second,)
    assert waiting(known, third, {0: 50, 1: 2}) == ()
    assert second.missing({0: 7}) == {0: 7, 1: 0}


def test_what_is_published_at_once_never_waits() -> None:
    assert waiting((), Seen(100, {0: 5, 1: 0}), {0: 5}) == ()


def test_many_are_thinned_and_the_oldest_and_newest_stay() -> None:
    known: tuple[Seen, ...] = ()
    for number in range(1, 2_000):
        known = waiting(known, Seen(number, {0: number}), {})
    assert len(known) <= 400
    assert (known[0].at, known[-1].at) == (1, 1_999)
    assert list(known) == sorted(known, key=lambda seen: seen.at)


def test_the_next_supervisor_goes_on_with_it(tmp_path: Path) -> None:
    assert read_seen(tmp_path) == {}
    known = {"a": (Seen(100.5, {0: 5, 11: 2}), Seen(115, {0: 9, 11: 2})), "b": ()}
    write_seen(tmp_path, known)
    assert read_seen(tmp_path) == known
    (tmp_path / "seen.state").write_text("{")
    assert read_seen(tmp_path) == {}
