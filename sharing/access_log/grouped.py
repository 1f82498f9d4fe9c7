"""The log for one event loop: reads that wait while the disk is busy are written together."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sharing.access_log.entry import Read
from sharing.access_log.log import AccessLog


class GroupedLog:
    """`write` returns when its read is on the disk, so an answer may leave after it."""

    def __init__(self, log: AccessLog):
        self._log = log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="access-log")
        self._waiting: list[tuple[Read, asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def write(self, read: Read) -> None:
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((read, written))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._write_all())
        await written

    def close(self) -> None:
        self._thread.shutdown()

    async def _write_all(self) -> None:
        while group := self._waiting:
            self._waiting = []
            reads = [read for read, _ in group]
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._log.write, reads)
            except Exception as problem:
                for _, written in group:
                    if not written.done():
                        written.set_exception(problem)
            else:
                for _, written in group:
                    if not written.done():
                        written.set_result(None)
