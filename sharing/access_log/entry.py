"""One read, or one refused read."""

import re
from dataclasses import dataclass
from datetime import datetime

ACTIONS = ("catalogue", "rows", "extract", "lookup", "prefill")
_LIKE_A_NUMBER = re.compile(r"[0-9]{6,}")
_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Read:
    """What a consumer asked for, and got where it wasn't `denied` (the reason, empty where it was allowed).

    `dataset` is a mart, stream or form; `version` the release's number, or the agreement's id where there is no
    release. `part` says which part of it: `rows 0..1000` of a release's file, `c12 p0 5..9` of a stream, by
    certificate, partition and offsets (c0: not certified), separated by commas. `person_key` is this home's
    pseudonym of the person that was looked up.
    """

    consumer: str
    key_id: str
    purpose: str
    action: str
    dataset: str
    version: str = ""
    fields: tuple[str, ...] = ()
    rows: int = 0
    part: str = ""
    person_key: str | None = None
    denied: str = ""


@dataclass(frozen=True)
class Entry:
    """A read in the log: its number from 1 on, and the SHA-256 of the line of the entry before it."""

    number: int
    previous: str
    at: datetime
    read: Read


def harmless(text: str) -> str:
    """What somebody sent, as it may stand in a log that is never changed: without anything like a person's number."""
    return _LIKE_A_NUMBER.sub("…", text)[:_MOST_CHARACTERS]
