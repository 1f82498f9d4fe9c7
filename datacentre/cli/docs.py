"""`docs validation` and `docs dbt`: pages about the centre, drawn on this machine."""

import typer

from datacentre.cli.console import one_line_errors, out
from datacentre.settings import from_environment

app = typer.Typer(help="Static pages: they need no server and load nothing from elsewhere.")


@app.command()
@one_line_errors
def validation() -> None:
    """Draw the pages of what was validated, and tell where they begin; Airflow draws them every minute."""
    from datacentre.stages.validation_docs import draw_validation

    out.print(str(draw_validation(from_environment())), markup=False, highlight=False)


@app.command("dbt")
@one_line_errors
def dbt_pages() -> None:
    """Write what dbt knows of models, owners, tests and exposures as one page, and tell where it is."""
    from datacentre.stages.dbt_pages import write_pages

    out.print(str(write_pages(from_environment())), markup=False, highlight=False)
