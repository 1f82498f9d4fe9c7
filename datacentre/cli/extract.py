"""`extract`: a stream's new rows on standard output, and a file that remembers where it stands."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from datacentre.cli.console import one_line_errors
from datacentre.settings import from_environment

Consumer = Annotated[str, typer.Option(help="in whose name; as its agreement's file is called")]
Purpose = Annotated[str, typer.Option(help="what for; one of the agreement's purposes")]


@one_line_errors
def extract(
    stream: Annotated[str, typer.Argument(help="a stream's key")],
    consumer: Consumer,
    purpose: Purpose,
    cursor: Annotated[Path, typer.Option(help="read and replaced; the stream's beginning where there is none")],
    limit: Annotated[int, typer.Option(min=1, help="rows a page")] = 10_000,
) -> None:
    """Write what is new as JSON lines. The cursor moves on after a page was written: a page may come twice, each row
    under the same row_id."""
    from sharing.access_log.log import AccessLog
    from sharing.counter import Counter
    from sharing.formats import records
    from sharing.shelves import opened_shelves

    settings = from_environment()
    place = cursor.read_text().strip() if cursor.exists() else ""
    with opened_shelves(settings) as shelves:
        counter, has_more = Counter(shelves, AccessLog(settings.home), consumer, purpose), True
        while has_more:
            work = partial(shelves.read_stream, stream=stream, cursor=place, limit=limit)
            page = counter.answered(counter.asked("extract", stream), work)
            for row in records(page.rows.to_batches()):
                sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
            sys.stdout.buffer.flush()
            place, has_more = page.cursor, page.has_more
            _keep(cursor, place)


def _keep(cursor: Path, place: str) -> None:
    draft = cursor.with_name(f"{cursor.name}.draft")
    draft.write_text(place + "\n")
    draft.replace(cursor)
