"""Every case of the corpus."""

from functools import cache

from bench.decode.case import Case
from bench.decode.messages import message_cases
from bench.decode.values import value_cases


@cache
def corpus() -> tuple[Case, ...]:
    """All cases, each under a name of its own."""
    return (*message_cases(), *value_cases())
