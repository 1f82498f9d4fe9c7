"""Bring streams in the lake up to what the broker holds."""

import time
from collections.abc import Callable, Sequence

from connectors.sink.progress import Progress
from connectors.sink.sink import Sink
from datacentre.contracts import choose, load_contracts
from datacentre.control.store import opened
from datacentre.settings import Settings
from datacentre.stages.outcome import Outcome, store


def land(
    settings: Settings,
    streams: Sequence[str] | None = None,
    told: Callable[[Progress], None] = lambda progress: None,
) -> tuple[Outcome, ...]:
    """Land everything up to the end offsets seen now; one outcome per stream.

    A sink that runs already shares the work: this one then waits for it, so `rows_in` counts what came
    into the lake and `rows_out` what this one wrote. A stream that could not be landed has an `error`
    in its outcome's `detail`.
    """
    chosen = choose(load_contracts(settings.schemas), streams)
    started = time.monotonic()
    sink = Sink(settings, chosen)
    before = sink.positions()
    progress = sink.run(until_caught_up=True, stopping=lambda: False, told=told)
    after = sink.positions()
    seconds = time.monotonic() - started
    outcomes = tuple(
        Outcome(
            stage="land",
            stream=key,
            interval=", ".join(
                f"p{p} {before[key].get(p, 0)}..{offset}"
                for p, offset in sorted(after[key].items())
                if offset > before[key].get(p, 0)
            ),
            rows_in=sum(after[key].values()) - sum(before[key].values()),
            rows_out=progress.landed[key],
            rows_quarantined=progress.quarantined[key],
            seconds=seconds,
        )
        for key in before
        if key not in sink.failures
    ) + tuple(
        Outcome("land", key, "", 0, 0, 0, seconds, {"error": str(problem)}) for key, problem in sink.failures.items()
    )
    with opened(settings.control_url) as control:
        for outcome in outcomes:
            if outcome.rows_in:
                store(control, outcome)
    return outcomes
