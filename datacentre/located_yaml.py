"""YAML that remembers its lines, so that an error can name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datacentre.errors import ContractError

Where = tuple[str | int, ...]
# libyaml reads eight contracts in a tenth of the time; it isn't in every build of PyYAML.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class LocatedYaml:
    """A parsed file: its value, and the line of each path inside it."""

    file: Path
    value: Any
    lines: dict[Where, int]

    def error(self, where: Sequence[str | int], message: str) -> ContractError:
        """A ContractError that names file, line, path and message."""
        path = tuple(where)
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        label = ".".join(str(part) for part in path)
        prefix = f"{self.file}:{self.lines.get(known, 1)}: "
        return ContractError(prefix + (f"{label}: {message}" if label else message))


def read_located(file: Path) -> LocatedYaml:
    """Parse one file; raises ContractError when it is absent, not YAML, or not a mapping."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ContractError(f"{file}: {problem}") from None
    try:
        tree = yaml.compose(text, Loader=_LOADER)
        value = yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError) as problem:  # ValueError: a date such as 2025-02-30
        mark = getattr(problem, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ContractError(f"{file}:{line}: not YAML: {getattr(problem, 'problem', problem)}") from None
    if not isinstance(value, dict):
        raise ContractError(f"{file}:1: must be a mapping")
    lines: dict[Where, int] = {}
    located = LocatedYaml(file, value, lines)
    _collect(tree, (), located)
    return located


def _collect(node: yaml.Node | None, path: Where, located: LocatedYaml) -> None:
    """Fill in the lines; YAML's reader would silently keep the last of two equal keys."""
    if node is None:
        return
    located.lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            here = (*path, key.value)
            repeated = here in located.lines
            located.lines[here] = key.start_mark.line + 1
            if repeated:
                raise located.error(here, "stands twice")
            _collect(child, here, located)
            located.lines[here] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            _collect(child, (*path, position), located)
