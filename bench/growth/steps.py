"""Where the seconds of one build go: its steps, and dbt's nodes by name."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from dbt.cli.main import dbtRunner

from datacentre.settings import Settings
from datacentre.stages.build import build

WHOLE, CPU, DBT = "whole build", "whole build, CPU", "dbt"

# Functions by the name that they get in the report; none is called inside of another.
_STEPS = {
    "certificates read": "datacentre.stages.build.certified_by_stream",
    "copy of certified rows": "datacentre.stages.build.follow_certificates",
    "sources": "datacentre.stages.build.prepare",
    "pin": "datacentre.stages.build.pin",
    "publish": "datacentre.stages.build.publish",
    "freshness": "datacentre.stages.freshness._ages",
}
Seconds = dict[str, float]


def timed_build(settings: Settings) -> Seconds:
    """Build, and return the seconds of its steps; of nodes as `dbt <node>`, two of which run at a time."""
    spent: Seconds = defaultdict(float)
    with ExitStack() as patched:
        for step, place in _STEPS.items():
            patched.enter_context(_timed(step, place, spent))
        patched.enter_context(_dbt_timed(spent))
        begun, cpu = time.monotonic(), time.process_time()
        build(settings)
        spent[WHOLE], spent[CPU] = time.monotonic() - begun, time.process_time() - cpu
    return dict(spent)


@contextmanager
def _timed(step: str, place: str, spent: Seconds) -> Iterator[None]:
    patching = patch(place)
    real = patching.get_original()[0]

    @wraps(real)
    def timed(*arguments: Any, **options: Any) -> Any:
        begun = time.monotonic()
        try:
            return real(*arguments, **options)
        finally:
            spent[step] += time.monotonic() - begun

    patching.new = timed
    with patching:
        yield


@contextmanager
def _dbt_timed(spent: Seconds) -> Iterator[None]:
    real = dbtRunner.invoke

    def timed(runner: dbtRunner, *arguments: Any, **options: Any) -> Any:
        begun = time.monotonic()
        result = real(runner, *arguments, **options)
        spent[DBT] += time.monotonic() - begun
        nodes: Any = result.result or ()
        for node in nodes:
            spent[f"{DBT} {node.node.name}"] += node.execution_time
        return result

    with patch.object(dbtRunner, "invoke", timed):
        yield
