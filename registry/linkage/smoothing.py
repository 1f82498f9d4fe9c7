"""Chances of what a sample doesn't show: rare, not impossible."""

from collections.abc import Mapping
from typing import Any


def smoothed(settings: Mapping[str, Any], same: float, different: float) -> dict[str, Any]:
    """A model as splink writes it, each level at least as likely as one pair of those it was learnt from makes it.

    `same` and `different` are how many pairs of one person and of two it was learnt from. A level that neither has
    shown says nothing.
    """
    comparisons = [
        {**c, "comparison_levels": [_level(level, 1 / same, 1 / different) for level in c["comparison_levels"]]}
        for c in settings["comparisons"]
    ]
    return {**settings, "comparisons": comparisons}


def _level(level: Mapping[str, Any], least_m: float, least_u: float) -> dict[str, Any]:
    if level.get("is_null_level"):
        return dict(level)
    m, u = level.get("m_probability") or 0.0, level.get("u_probability") or 0.0
    if not m and not u:
        return {**level, "m_probability": least_m, "u_probability": least_m}
    return {**level, "m_probability": max(m, least_m), "u_probability": max(u, least_u)}
