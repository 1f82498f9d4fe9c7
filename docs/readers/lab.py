"""The lab: follow a stream near real time, through restarts of the service and of this program.

    DATACENTRE_KEY=... python lab.py jdwnrh__hospital_visit hospital-trial visits.sqlite

Rows and the cursor behind them are kept in one transaction of one SQLite file, so a row that is sent again after a
failure is not kept twice. Needs Python alone; Ctrl-C ends it. `--once` ends when there is nothing new.
"""

import json
import os
import sqlite3
import sys
import time
from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

URL = os.environ.get("DATACENTRE_URL", "http://127.0.0.1:18092")
PAUSE_SECONDS = 1.0


def follow(stream: str, purpose: str, file: str, is_once: bool) -> None:
    with sqlite3.connect(file) as kept:
        kept.execute("create table if not exists row (row_id text primary key, document text)")
        kept.execute("create table if not exists place (stream text primary key, cursor text)")
    while True:
        (cursor,) = kept.execute("select cursor from place where stream = ?", (stream,)).fetchone() or ("",)
        page = next_page(stream, purpose, cursor)
        if page is not None:
            with kept:
                rows = [(row["row_id"], json.dumps(row)) for row in page["rows"]]
                kept.executemany("insert or replace into row values (?, ?)", rows)
                kept.execute("insert or replace into place values (?, ?)", (stream, page["cursor"]))
        if page is None or not page["has_more"]:
            if is_once and page is not None:
                return
            time.sleep(PAUSE_SECONDS)


def next_page(stream: str, purpose: str, cursor: str) -> dict | None:
    """None while the service can't be reached; a refusal ends the program with what the service says."""
    headers = {"Authorization": f"Bearer {os.environ['DATACENTRE_KEY']}", "X-Purpose": purpose}
    address = f"{URL}/v1/streams/{stream}/extract?limit=5000&cursor={quote(cursor)}"
    try:
        with urlopen(Request(address, headers=headers), timeout=30) as answer:
            return json.load(answer)
    except HTTPError as refusal:
        if refusal.code >= 500:
            return None
        sys.exit(f"{refusal.code}: {refusal.read().decode()}")
    except OSError:
        return None


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        follow(*sys.argv[1:4], is_once="--once" in sys.argv)
