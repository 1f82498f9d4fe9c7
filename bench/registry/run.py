"""One refresh in a process of its own, so that its memory is its own; prints JSON."""

import json
import logging
import resource
import sys
import time
from pathlib import Path

from datacentre.contracts import load_contracts
from datacentre.control.store import opened
from datacentre.settings import from_environment
from lake.certified_rows import certified_file
from registry.golden.mapping import load_mapping
from registry.golden.refresh import refresh


def run(home: Path) -> dict[str, float]:
    """Where the centre of `home` has certified rows that its registry hasn't seen."""
    settings = from_environment({"DATACENTRE_HOME": str(home)})
    contracts = load_contracts(settings.schemas)
    mapping = load_mapping(settings.schemas, contracts)
    logging.getLogger("splink").setLevel(logging.ERROR)
    with opened(settings.control_url) as control:
        begun, used = time.monotonic(), time.process_time()
        done = refresh(home, settings.lake, certified_file(settings.marts), mapping, contracts, control)
        seconds, cpu = time.monotonic() - begun, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "rows": done.rows,
        "persons": done.persons,
        "written": done.written,
        "peak_mb": peak,
    }


if __name__ == "__main__":
    json.dump(run(Path(sys.argv[1])), sys.stdout)
