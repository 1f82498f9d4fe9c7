"""Take the pictures of docs/images: log in as a person does, look at the DAGs and at the chain of assets.

The centre of DATACENTRE_HOME must run and have checked and built something: python -m bench.pictures [FOLDER]
"""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from bench.pictures.browser import Page, page
from datacentre import names
from datacentre.cli.console import one_line_errors, out
from datacentre.services.airflow_api import Client
from datacentre.services.airflow_environment import USER, base_url, password
from datacentre.settings import REPOSITORY, Settings, from_environment

_WIDTH, _HEIGHT = 1500, 900
_SETTLE_SECONDS = 2.5
_FOLDER = REPOSITORY / "docs" / "images"
_DRAWN = "document.querySelectorAll('.react-flow__node').length >= {nodes}"
_HAS_EVENTS = " && !document.body.innerText.includes('No Asset Events')"


@one_line_errors
def pictures(folder: Annotated[Path, typer.Argument(help="where the PNG files go")] = _FOLDER) -> None:
    """Overwrites airflow-*.png of the folder."""
    settings = from_environment()
    folder.mkdir(parents=True, exist_ok=True)
    with page(_WIDTH, _HEIGHT) as tab:
        _log_in(tab, settings)
        for name, path, drawn in _views(settings):
            tab.open(base_url(settings) + path)
            tab.wait(drawn)
            time.sleep(_SETTLE_SECONDS)  # the graph moves to its place
            tab.picture(folder / f"airflow-{name}.png")
            out.print(f"{folder / f'airflow-{name}.png'}: {path}")


def _log_in(tab: Page, settings: Settings) -> None:
    tab.open(base_url(settings))
    tab.wait("document.querySelector('input[name=username]') !== null")
    tab.type("input[name=username]", USER)
    tab.type("input[name=password]", password(settings))
    tab.run("document.querySelector('button[type=submit]').click()")
    tab.wait("location.pathname === '/' && document.body?.innerText.includes('Dags')")
    kept = {"default_dag_view": "graph", "dependencies-check": "all"}
    for key, value in kept.items():
        tab.run(f"localStorage.setItem({key!r}, {json.dumps(json.dumps(value))})")


def _views(settings: Settings) -> list[tuple[str, str, str]]:
    """File, address, and what is true once the page is drawn."""
    assets = Client(settings).get("/assets?limit=100")["assets"]
    marts = next(a["id"] for a in assets if a["uri"].startswith(names.marts_asset()))
    return [
        ("dags", "/dags?tags=flow", "document.body?.innerText.includes('3 Dags')"),
        ("check", "/dags/check", _DRAWN.format(nodes=2)),
        ("chain", f"/assets/{marts}", _DRAWN.format(nodes=3) + _HAS_EVENTS),
    ]


if __name__ == "__main__":
    typer.run(pictures)
