"""Jars of the engines we compare with: resolved from Maven coordinates once, then taken from the cache."""

import logging
from pathlib import Path

import jgo

from datacentre.errors import SourceUnavailable


def resolve(name: str, coordinates: str, cache: Path) -> list[Path]:
    """All jars of `coordinates` (joined by +) and of what they depend on; `name` names the list kept of them."""
    listed = cache / f"{name}.txt"
    jars = [Path(line) for line in listed.read_text().splitlines()] if listed.exists() else []
    if jars and all(jar.exists() for jar in jars):
        return jars
    logging.getLogger("jgo").setLevel(logging.ERROR)
    cache.mkdir(parents=True, exist_ok=True)
    try:
        jars = [Path(jar) for jar in jgo.build(coordinates, cache_dir=cache).all_jars]
    except Exception as problem:
        raise SourceUnavailable(f"{name}: its jars can't be fetched: {' '.join(str(problem).split())[:200]}") from None
    listed.write_text("".join(f"{jar}\n" for jar in jars))
    return jars
