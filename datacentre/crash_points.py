"""Named places at which a fault test ends, freezes or fails this process; nothing happens outside of such tests.

`DATACENTRE_CRASH_AT=<name>[:<nth>[:<action>]]`, read once when the process starts, names one of them. Actions:
`kill` (SIGKILL, the default), `stop` (SIGSTOP: a process that was forgotten for a while), `fail` (OSError).
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST_SECONDS = 0.02
_armed, _, _rest = os.environ.get("DATACENTRE_CRASH_AT", "").partition(":")
_nth, _, _action = _rest.partition(":")
_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Pass a named place; its `nth` passing is the end when this process was started with that order."""
    if _armed and _is_due(name):
        _act(name)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """A stretch of work at an unforeseen moment of which the order is carried out: up to 20 ms after its begin."""
    if _armed and _is_due(name):
        threading.Thread(target=_act_soon, args=(name,), daemon=True).start()
    yield


def _is_due(name: str) -> bool:
    _reached[name] += 1
    return name == _armed and _reached[name] == int(_nth or 1)


def _act_soon(name: str) -> None:
    time.sleep(random.uniform(0, _LONGEST_SECONDS))
    _act(name)


def _act(name: str) -> None:
    passed = ", ".join(f"{n} {count}" for n, count in sorted(_reached.items()))
    os.write(2, f"crash point {name}: {_action or 'kill'}; passed: {passed}\n".encode())
    if _action == "fail":
        raise OSError(f"crash point {name}")
    os.kill(os.getpid(), signal.SIGSTOP if _action == "stop" else signal.SIGKILL)
