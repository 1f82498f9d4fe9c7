"""Get the compiled pass ready beside the work: the first compilation takes seconds, a cached one half a second.

`python -m connectors.sink.scan.warm` compiles it into the cache, as `make install` does.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder

_ready = threading.Event()
_started = threading.Lock()


def start() -> None:
    """Begin to load or compile in a thread of its own; the row check in SQL does the work until then."""
    if _started.acquire(blocking=False):
        threading.Thread(target=_load, name="scan-warm-up").start()


def is_ready() -> bool:
    return _ready.is_set()


def wait(seconds: float = 120.0) -> bool:
    """Whether the pass became ready within `seconds`."""
    start()
    return _ready.wait(seconds)


def _load() -> None:
    try:
        with _without_scipy():
            from connectors.sink.scan.example import run_example

            run_example()
    except RuntimeError:
        if threading.main_thread().is_alive():
            raise
        return  # the program ends meanwhile, and Python takes no new exit handlers
    _ready.set()


class _NoScipy(MetaPathFinder):
    """Refuses scipy to one thread; others may be importing it at the same moment."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "scipy" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"no {name} for the compiled pass", name=name)


@contextmanager
def _without_scipy() -> Iterator[None]:
    """numba imports scipy where it is installed, for functions that the pass doesn't use: half a second, 35 MB."""
    finder = _NoScipy()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


if __name__ == "__main__":
    wait()
    from connectors.sink.clients import message_queue

    message_queue.load_kernel()
