"""`docs validation`: pages about the centre, drawn on this machine."""

import typer

from datacentre.cli.console import one_line_errors, out
from datacentre.settings import from_environment

app = typer.Typer(help="Static pages: they need no server and load nothing from elsewhere.")


@app.callback()
def docs() -> None:
    """Keep `validation` a command of its own: typer takes an only one for the whole."""


@app.command()
@one_line_errors
def validation() -> None:
    """Draw the pages of what was validated, and tell where they begin; Airflow draws them every minute."""
    from datacentre.stages.validation_docs import draw_validation

    out.print(str(draw_validation(from_environment())), markup=False, highlight=False)
