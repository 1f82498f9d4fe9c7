"""How the sink's process asks the system for memory."""

import ctypes

import pyarrow as pa

_M_ARENA_MAX = -8  # malloc.h


def share_one_heap() -> None:
    """Let Arrow, numpy and both threads take memory from one heap: each own one keeps its peak for itself.

    Measured while catching up: 634 MiB resident with Arrow's default pool and an arena per thread, 551 with this,
    at no cost in time. To be called before a thread is started. Where there is no glibc only Arrow's pool is set.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)
