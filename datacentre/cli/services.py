"""`up`, `down`, `supervise`; what takes long to import stands inside."""

from threading import Thread
from typing import Annotated

import typer

from datacentre.cli.console import err, one_line_errors, out
from datacentre.cli.parts import parts
from datacentre.errors import ContractError
from datacentre.services import postgresql, supervisor, understudy
from datacentre.services.restarts import forget_restarts
from datacentre.services.supervisor import Part
from datacentre.settings import Settings, from_environment

Names = Annotated[
    list[str] | None, typer.Argument(help="postgresql, kafka, sink, gateway, serve, airflow; all when none is named")
]


@one_line_errors
def up(names: Names = None) -> None:
    """Start services, create missing topics, wait until each answers; what dies later is started again."""
    settings = from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    if not names or postgresql.NAME in names:
        if hindrance := postgresql.choose(settings):
            out.print(hindrance)
        settings = from_environment()
    for name, part in _chosen(settings, names).items():
        with err.status(f"{name} starts" + ("; the first time its jars are fetched" if name == "kafka" else "")):
            told = part.start()
        with supervisor.wanted(settings.run) as running:
            running.add(name)
            forget_restarts(settings.run, name)
        out.print(told)
    understudy.start_pair(settings)


@one_line_errors
def down(names: Names = None) -> None:
    """Stop what `up` has started, in reverse order."""
    settings = from_environment()
    chosen = _chosen(settings, names)
    with supervisor.wanted(settings.run) as running:
        running -= set(chosen)
        is_last = not running
    if is_last:
        understudy.stop_pair(settings)
    for name in reversed(chosen):
        if chosen[name].stop():
            out.print(f"{name} stopped")


@one_line_errors
def supervise() -> None:
    """Start again what dies of what `up` has started, until told to end; `up` runs this."""
    settings = from_environment()
    companion = understudy.one_of_pair(settings, understudy.NAME)
    keeper = supervisor.Supervisor(settings.run, parts(settings), companion)

    def work() -> None:
        Thread(target=_sweep, args=(settings,), daemon=True).start()
        keeper.keep()

    understudy.serve(settings, supervisor.NAME, work)


def _sweep(settings: Settings) -> None:
    """In a thread of its own: a slow sweep delays no restart."""
    from datacentre.stages.sweep import sweep_on

    sweep_on(settings)


def _chosen(settings: Settings, names: list[str] | None) -> dict[str, Part]:
    every = parts(settings)
    unknown = set(names or ()) - every.keys()
    if unknown:
        raise ContractError(f"no service {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    return {name: part for name, part in every.items() if not names or name in names}
