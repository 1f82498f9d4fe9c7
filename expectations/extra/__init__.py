"""Expectations written by hand for a stream: one module per stream key, absent where there is none.

A module holds `COLUMNS`, SQL expressions over the increment's landed rows by column name, and
`expectations()`. An expectation of severity critical holds the increment; one of severity warning lets
it through and tells. `meta["rule"]` names it. A share or a mean over few values says nothing:
`meta["min_values"]` is the number of values that its column must hold for it to be asked at all.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from datacentre import names

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation


class Extra(Protocol):
    """What a module of this package offers."""

    COLUMNS: Mapping[str, str]

    def expectations(self) -> "Sequence[Expectation]": ...


def find_extra(key: str) -> Extra | None:
    """The hand-written suite of a stream, or None."""
    module = f"{__name__}.{names.checked_stream_key(key)}"
    if importlib.util.find_spec(module) is None:
        return None
    return cast(Extra, importlib.import_module(module))
