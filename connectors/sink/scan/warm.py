"""Get the compiled pass ready beside the work: the first compilation takes seconds, a cached one half a second.

`python -m connectors.sink.scan.warm` compiles it into the cache, as `make install` does.
"""

import threading

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
        from connectors.sink.scan.example import run_example

        run_example()
    except RuntimeError:
        if threading.main_thread().is_alive():
            raise
        return  # the program ends meanwhile, and Python takes no new exit handlers
    _ready.set()


if __name__ == "__main__":
    wait()
