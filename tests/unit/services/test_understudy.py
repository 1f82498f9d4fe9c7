"""The supervisor and its understudy; that each starts the other is seen in test_supervised_sink."""

from pathlib import Path
from threading import Event, Thread

from datacentre.services.understudy import NAME, PAIR, one_of_pair, serve, start_pair
from datacentre.settings import from_environment


def test_a_second_one_does_nothing_before_the_first_has_ended(tmp_path: Path) -> None:
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path)})
    entered, leave, second = Event(), Event(), Event()

    def work() -> None:
        entered.set()
        leave.wait(10)

    first = Thread(target=serve, args=(settings, NAME, work))
    other = Thread(target=serve, args=(settings, NAME, second.set))
    first.start()
    assert entered.wait(10)
    other.start()
    assert not second.wait(0.3)
    leave.set()
    assert second.wait(10)
    first.join()
    other.join()


def test_both_end_by_themselves_where_nothing_is_wanted(tmp_path: Path) -> None:
    settings = from_environment({"DATACENTRE_HOME": str(tmp_path)})
    start_pair(settings)
    parts = [one_of_pair(settings, name)[name] for name in PAIR]
    ends = Event()
    for _ in range(200):
        if not any(part.is_running() for part in parts):
            break
        ends.wait(0.1)
    assert [part.is_running() for part in parts] == [False, False]
    assert [(settings.run / f"{name}.log").read_text() for name in PAIR] == ["", ""]
