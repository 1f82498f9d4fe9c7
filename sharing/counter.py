"""Answers on the command line: the same permission and the same log as over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from datacentre.errors import DataCentreError
from sharing.access_log.entry import Read, harmless
from sharing.access_log.log import AccessLog
from sharing.permission import Permission
from sharing.shelves import Shelves

COMMAND_LINE = "cli"
"""What stands for a key's id where an engineer of the centre reads in a consumer's name."""


class Answer(Protocol):
    """Anything that says what the access log has to say of it."""

    @property
    def read(self) -> Read: ...


A = TypeVar("A", bound=Answer)


@dataclass(frozen=True)
class Counter:
    """Answers one consumer for one purpose."""

    shelves: Shelves
    log: AccessLog
    consumer: str
    purpose: str

    def answered(self, asked: Read, work: Callable[[Permission], A]) -> A:
        """What `work` answers, once the disk has the log's entry; a refusal is logged as well, and raised."""
        try:
            answer = work(self.shelves.permission(self.consumer, self.purpose, COMMAND_LINE))
        except DataCentreError as refusal:
            self._write(replace(asked, denied=harmless(str(refusal))))
            raise
        self._write(answer.read)
        return answer

    def asked(self, action: str, dataset: str, person_key: str | None = None) -> Read:
        """How a refusal is logged."""
        return Read(self.consumer, COMMAND_LINE, self.purpose, action, harmless(dataset), person_key=person_key)

    def _write(self, read: Read) -> None:
        self.log.write([read])
        self.log.settle()
