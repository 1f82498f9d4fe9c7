"""A row of counts as a small picture in the page itself."""

from collections.abc import Sequence

from markupsafe import Markup, escape

_BAR, _GAP, _HEIGHT = 5, 1, 24


def bars(counts: Sequence[int], names: Sequence[str]) -> Markup:
    """One bar per count, the highest as high as the picture; read out as the names and counts that aren't 0."""
    highest, width = max(*counts, 1), len(counts) * (_BAR + _GAP)
    told = ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True) if count) or "none"
    drawn = Markup("").join(_bar(place, -(-count * _HEIGHT // highest)) for place, count in enumerate(counts) if count)
    return Markup(
        f'<svg role="img" aria-label="{escape(told)}" width="{width}" height="{_HEIGHT + 1}">'
        f"<title>{escape(told)}</title>"
        f'<rect class="ground" x="0" y="{_HEIGHT}" width="{width}" height="1"/>{drawn}</svg>'
    )


def _bar(place: int, height: int) -> Markup:
    x = place * (_BAR + _GAP)
    return Markup(f'<rect class="bar" x="{x}" y="{_HEIGHT - height}" width="{_BAR}" height="{height}"/>')
