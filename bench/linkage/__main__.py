"""`make bench-linkage`: link the published sets without the national number, beside rules that weigh nothing."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from bench.linkage.datasets import DATA_SETS, DataSet
from bench.linkage.quality import Pair, Quality, calibration, of_clusters, of_pairs, true_pairs
from datacentre.cli.console import one_line_errors, out, print_table
from datacentre.settings import REPOSITORY
from registry.linkage import Linkage, Thresholds
from registry.linkage.blocking import sure_pairs
from registry.linkage.clusters import clusters
from registry.linkage.roles import RECORD_ID, columns

_DATA = REPOSITORY.parent / "shared" / "data" / "linkage"


@one_line_errors
def linkage(data: Annotated[Path, typer.Option(help="folder of the published sets")] = _DATA) -> None:
    """Precision, recall and F1 of pairs and of clusters, and how far a probability can be believed."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    for data_set in DATA_SETS:
        _measure(data_set, data)


def _measure(data_set: DataSet, folder: Path) -> None:
    begun = time.monotonic()
    files, truth = data_set.read(folder)
    tables = [columns(file, data_set.record_id, data_set.roles) for file in files]
    true = true_pairs(truth, [table[RECORD_ID].to_pylist() for table in tables])
    linker = Linkage(data_set.roles, tables)
    scores = linker.score(linker.train())
    scored = list(zip(*(column.to_pylist() for column in scores.columns), strict=True))
    rules = of_pairs(sure_pairs(data_set.roles, tables), truth, true)
    rows = [_row("same name and birth date", rules)]
    for limit in (Thresholds.review, 0.9, Thresholds.linked):
        rows.append(_row(f"pairs from {limit}", of_pairs(_from(scored, limit), truth, true)))
    if len(tables) == 1:
        rows += list(_clustered(tables[0], scores, truth))
    title = f"{data_set.name}: {len(truth):,} records, {true:,} true pairs, {time.monotonic() - begun:.0f} s"
    print_table(title, ["linked by", "pairs", "precision", "recall", "F1"], rows)
    print_table("Match probability", ["said", "pairs", "said on average", "true"], calibration(scored, truth))
    out.print()


def _clustered(table: pa.Table, scores: pa.Table, truth: dict[str, str]) -> Iterator[list[object]]:
    found = clusters(table[RECORD_ID], scores, Thresholds.linked)
    of = dict(zip(found[RECORD_ID].to_pylist(), found["cluster_id"].to_pylist(), strict=True))
    yield _row(f"clusters from {Thresholds.linked}", of_clusters(of, truth))


def _from(scored: list[tuple[str, str, float]], limit: float) -> Iterator[Pair]:
    return ((left, right) for left, right, probability in scored if probability >= limit)


def _row(name: str, found: Quality) -> list[object]:
    return [name, found.said, f"{found.precision:.4f}", f"{found.recall:.4f}", f"{found.f1:.4f}"]


if __name__ == "__main__":
    typer.run(linkage)
