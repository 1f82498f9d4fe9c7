"""The dbt project's documentation as one HTML page that loads nothing from elsewhere."""

import re
from pathlib import Path

from datacentre.contracts import load_contracts
from datacentre.errors import CheckFailed
from datacentre.settings import Settings
from datacentre.stages.build import run_dbt
from lake.certified_rows import certified_file
from lake.marts import only_writer, prepare, published, work_file

# dbt's page brings a counter of visits with it, which loads its script from a CDN.
_COUNTER = re.compile(r'"//[^"]+/sp\.js"')
_OUTSIDE = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|\.src=["'](?:https?:)?//[^"']+|url\(["']?(?:https?:)?//[^)]+|@import\s+["'](?:https?:)?//[^"']+"""
)


def write_pages(settings: Settings) -> Path:
    """Document models, sources, tests, owners and exposures in `docs/dbt.html` of the home; returns the file.

    Raises CheckFailed when nothing was built yet, or when the page would load something from elsewhere;
    SourceUnavailable while a build runs.
    """
    published(settings.marts)
    with only_writer(settings.marts):
        contracts, copy = load_contracts(settings.schemas), certified_file(settings.marts)
        prepare(work_file(settings.marts), copy, contracts, settings.reference)
        run_dbt(settings, ["--write-json", "docs", "generate", "--static"])
        made = settings.home / "dbt" / "target" / "static_index.html"
        page = self_contained(made.read_text(encoding="utf-8"))
    target = settings.home / "docs" / "dbt.html"
    target.parent.mkdir(exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def self_contained(page: str) -> str:
    """The page without its counter; raises CheckFailed naming what else it would load from elsewhere."""
    quiet = _COUNTER.sub('""', page)
    if found := sorted(set(_OUTSIDE.findall(quiet))):
        raise CheckFailed(f"dbt's page would load {', '.join(found)[:300]}; look at what this version of dbt adds")
    return quiet
