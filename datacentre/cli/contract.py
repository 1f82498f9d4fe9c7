"""`contract publish`, `contract list`."""

from typing import Annotated

import typer

from datacentre.cli.console import one_line_errors, out, print_json, print_table
from datacentre.settings import from_environment

app = typer.Typer(help="Versions of the contracts: a record is judged by the version it names.")
Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")]


@app.command()
@one_line_errors
def publish(key: Annotated[str, typer.Argument(help="stream key, such as dot__exit_survey")]) -> None:
    """Make the contract's version one that producers may send; refused where it breaks an earlier one."""
    from datacentre.contracts import choose, load_contracts
    from datacentre.contracts.versions import publish as publish_version

    settings = from_environment()
    contract = choose(load_contracts(settings.schemas), [key])[key]
    file = publish_version(contract, settings.contracts / f"{key}.yaml", settings.schemas)
    out.print(f"{contract.schema_tag} is published as {file}", markup=False, highlight=False)


@app.command("list")
@one_line_errors
def list_(json: Json = False) -> None:
    """Every contract's version, and the earlier ones whose records are still taken."""
    from datacentre.contracts import load_contracts
    from datacentre.contracts.versions import unpublished

    settings = from_environment()
    rows = []
    for key, contract in load_contracts(settings.schemas).items():
        problem = unpublished(contract, settings.contracts / f"{key}.yaml", settings.schemas)
        earlier = ", ".join(c.version for c in contract.earlier)
        rows.append((key, contract.version, earlier, "no" if problem else "yes"))
    columns = ["stream", "version", "earlier", "published"]
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("Contracts", columns, rows)
