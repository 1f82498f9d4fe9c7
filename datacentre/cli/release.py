"""`release`, `release list`: what consumers get of the published marts."""

from pathlib import Path
from typing import Annotated

import typer

from datacentre.cli.console import err, one_line_errors, out, print_json, print_table
from datacentre.errors import AccessDenied, CheckFailed
from datacentre.settings import from_environment

app = typer.Typer(help="Releases: each consumer's own rows and columns of the marts, as files that never change.")
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]
Consumers = Annotated[list[str] | None, typer.Option("--consumer", help="only this one; may be given again")]


@app.callback(invoke_without_command=True)
@one_line_errors
def release(context: typer.Context, consumer: Consumers = None, json: Json = False) -> None:
    """Release the published marts to every consumer that gets something new."""
    if context.invoked_subcommand is not None:
        return
    from datacentre.cli.marts import print_outcomes
    from datacentre.stages.release import release as release_to

    with err.status("compiling releases"):
        outcomes = release_to(from_environment(), consumer or ())
    print_outcomes("Released", outcomes, json)
    failed = [f"{o.stream}: {o.detail['error']}" for o in outcomes if "error" in o.detail]
    if failed:
        raise CheckFailed("; ".join(failed))


@app.command("list")
@one_line_errors
def list_(json: Json = False) -> None:
    """Every release that is kept, and which one its consumer reads."""
    columns = ("consumer", "release", "is_current", "created_at", "agreement", "key", "marts", "rows")
    rows = _kept(from_environment().home)
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        print_table("Releases", columns, rows)
    else:
        out.print("nothing is released yet; run datacentre release")


def _kept(home: Path) -> list[tuple[object, ...]]:
    from sharing.releases.release import kept_releases

    consumers = sorted(folder.name for folder in (home / "releases").glob("*") if folder.is_dir())
    return [
        (
            consumer,
            kept.number,
            kept.number == _current(home, consumer),
            kept.manifest["created_at"],
            kept.manifest["agreement"]["id"],
            kept.manifest["key_id"],
            len(kept.marts),
            sum(mart["rows"] for mart in kept.manifest["marts"].values()),
        )
        for consumer in consumers
        for kept in kept_releases(home, consumer)
    ]


def _current(home: Path, consumer: str) -> int | None:
    """None where the consumer's releases are withdrawn."""
    from sharing.releases.release import current_release

    try:
        return current_release(home, consumer).number
    except AccessDenied:
        return None
