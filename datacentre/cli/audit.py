"""`audit verify`, `audit list`, `audit head`: the log of everything that consumers read."""

from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from datacentre.cli.console import one_line_errors, out, print_json, print_table
from datacentre.settings import from_environment

app = typer.Typer(no_args_is_help=True, help="The log of everything that consumers read, and whether it was touched.")


@app.command()
@one_line_errors
def verify(
    key: Annotated[Path | None, typer.Option(help="public key to check with; this centre's when absent")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="a head that `audit head` gave out earlier")] = None,
) -> None:
    """Check that no entry was changed, removed, added or moved, and that none is missing at the end."""
    from sharing.access_log.verification import verify as check

    found = check(from_environment().home, key, checkpoint)
    unsigned = f"; the last {found.unsigned} aren't signed yet" if found.unsigned else ""
    out.print(f"{found.entries:,} entries, each as it was written{unsigned}")


@app.command("list")
@one_line_errors
def list_(
    consumer: Annotated[str, typer.Option(help="of one consumer only")] = "",
    denied: Annotated[bool, typer.Option("--denied", help="refusals only")] = False,
    limit: Annotated[int, typer.Option(min=1, help="the newest so many")] = 50,
    json: Annotated[bool, typer.Option("--json", help="one JSON document instead of a table")] = False,
) -> None:
    """Who read what and when, newest last."""
    from sharing.access_log.verification import entries

    wanted = (
        entry
        for entry in entries(from_environment().home)
        if (not consumer or entry.read.consumer == consumer) and (not denied or entry.read.denied)
    )
    found = deque(wanted, maxlen=limit)
    if json:
        print_json(list(found))
        return
    columns = ["number", "at", "consumer", "key", "purpose", "action", "dataset", "rows", "refused"]
    reads = [(e.number, e.at, e.read) for e in found]
    rows = [
        [number, at, r.consumer, r.key_id, r.purpose, r.action, r.dataset, r.rows, r.denied] for number, at, r in reads
    ]
    print_table("Reads", columns, rows)


@app.command()
@one_line_errors
def head() -> None:
    """Print the signed head of the log; give it to somebody else, who can later show that the log still holds it."""
    from sharing.access_log.head import head_file, read_head

    home = from_environment().home
    read_head(home)
    file = head_file(home)
    out.print(file.read_text().strip() if file.exists() else "{}", markup=False, highlight=False)
