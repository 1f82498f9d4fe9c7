"""Bar and line charts as plain SVG text: the same figures give the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH = 760
_LEFT, _RIGHT, _TOP = 250, 96, 62
_BAR, _GAP = 24, 12
OURS, OURS_LIGHT, OTHERS, LIMIT = "#0b6e4f", "#63b995", "#8a94a6", "#c0392b"
_INK, _FAINT = "#1f2933", "#e3e7ed"
_FONT = "font-family=\"'DejaVu Sans', Verdana, sans-serif\""


@dataclass(frozen=True)
class Bar:
    """One bar; `text` is written behind it."""

    label: str
    value: float
    text: str
    colour: str


@dataclass(frozen=True)
class Line:
    """One course of (x, y)."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: str


def bars(title: str, note: str, rows: Sequence[Bar], limit: tuple[float, str] | None = None) -> str:
    """Horizontal bars from zero; `limit` draws a value to stay below (or reach) with its name."""
    height = _TOP + len(rows) * (_BAR + _GAP) + (34 if limit else 14)
    most = max([row.value for row in rows] + ([limit[0]] if limit else [])) or 1.0
    span = WIDTH - _LEFT - _RIGHT
    parts = []
    for number, row in enumerate(rows):
        y = _TOP + number * (_BAR + _GAP)
        width = max(1.0, row.value / most * span)
        parts.append(_text(_LEFT - 10, y + 17, row.label, anchor="end"))
        parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{row.colour}"/>')
        parts.append(_text(_LEFT + width + 8, y + 17, row.text, weight="bold"))
    if limit:
        x = _LEFT + limit[0] / most * span
        bottom = height - 26
        parts.append(_rule(x, _TOP - 6, x, bottom, LIMIT))
        parts.append(_text(x, bottom + 16, limit[1], anchor="middle", colour=LIMIT, size=12))
    return _page(title, note, height, parts)


def lines(
    title: str, note: str, courses: Sequence[Line], x_unit: str, y_unit: str, limit: tuple[float, str] | None = None
) -> str:
    """Lines over axes that begin at zero."""
    height, left, right, bottom = 380, 70, 24, 380 - 74
    x_most = max(x for course in courses for x, _ in course.points) or 1.0
    y_most = _round_up(max([y for c in courses for _, y in c.points] + ([limit[0]] if limit else [])))

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / x_most * (WIDTH - left - right), bottom - y / y_most * (bottom - _TOP)

    parts = []
    for step in range(5):
        value = y_most * step / 4
        _, y = place(0, value)
        parts.append(_rule(left, y, WIDTH - right, y, _FAINT))
        parts.append(_text(left - 8, y + 4, f"{value:,.4g}", anchor="end", size=12))
        x, _ = place(x_most * step / 4, 0)
        parts.append(_text(x, bottom + 18, f"{x_most * step / 4:,.5g}", anchor="middle", size=12))
    parts.append(_text(WIDTH - right, bottom + 36, x_unit, anchor="end", size=12))
    parts.append(_text(left, _TOP - 5, y_unit, size=12))
    if limit:
        _, y = place(0, limit[0])
        parts.append(f'<path d="M{left} {y:.1f}H{WIDTH - right}" stroke="{LIMIT}" stroke-dasharray="6 4" fill="none"/>')
        parts.append(_text(WIDTH - right, y - 6, limit[1], anchor="end", colour=LIMIT, size=12))
    for number, course in enumerate(courses):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in course.points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{course.colour}" stroke-width="2"/>')
        x = left + number * 220
        parts.append(f'<rect x="{x}" y="{height - 24}" width="14" height="14" fill="{course.colour}"/>')
        parts.append(_text(x + 20, height - 12, course.label, size=13))
    return _page(title, note, height, parts)


def _page(title: str, note: str, height: float, parts: Sequence[str]) -> str:
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        _text(16, 24, title, size=16, weight="bold"),
        _text(16, 43, note, size=12, colour="#52606d"),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _text(
    x: float, y: float, text: str, anchor: str = "start", size: int = 13, weight: str = "normal", colour: str = _INK
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" {_FONT} font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _rule(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" fill="none"/>'


def _round_up(value: float) -> float:
    """The next value with one or two leading digits, so that axis labels are short."""
    step = 10.0 ** floor(log10(value)) / 2
    return float(ceil(value / step) * step)
