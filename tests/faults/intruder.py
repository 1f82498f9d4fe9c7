"""Another program at the lake's tables: `python -m tests.faults.intruder <foreign|upkeep> <lake> <report> <streams>`.

Writes to `report` how many commits or compactions it has done.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from datacentre.contracts import Contract, load_contracts
from datacentre.settings import REPOSITORY
from lake.tables import LAYERS, table_folder
from lake.upkeep import keep_up

_PAUSE_SECONDS = 0.15


def write_foreign_entries(folder: Path) -> Iterator[None]:
    """Yields after each entry that came through."""
    for number in range(1, 1_000_000):
        table = DeltaTable(folder)
        try:
            if number % 4 == 0:
                table.optimize.compact()
            elif number % 4 == 1:
                table.alter.set_table_properties({"delta.logRetentionDuration": f"interval {1 + number % 9} days"})
            elif number % 4 == 2:
                write_deltalake(folder, pa.schema(table.schema().to_arrow()).empty_table(), mode="append")
            else:
                table.create_checkpoint()
        except CommitFailedError:  # the sink was faster
            continue
        yield


def keep_tables_up(lake: Path, contract: Contract) -> Iterator[None]:
    while True:
        done = keep_up(lake, contract, retention_hours=1)
        for table in done:
            if table.merged:
                yield
        if not any(table.merged for table in done):
            time.sleep(_PAUSE_SECONDS)


def main(what: str, lake: Path, report: Path, streams: list[str]) -> None:
    contracts = load_contracts(REPOSITORY / "schemas")
    if what == "foreign":
        work = [write_foreign_entries(table_folder(lake, layer, key)) for key in streams for layer in LAYERS]
    else:
        work = [keep_tables_up(lake, contracts[key]) for key in streams]
    done = 0
    while True:
        for tables in work:
            next(tables)
            done += 1
            draft = report.with_suffix(".draft")
            draft.write_text(str(done))
            draft.replace(report)
            time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
