"""How everything looks: two palettes under one set of names, and the chart configuration that uses the names.

Charts never hold a colour, only the name of one (`var(--forecast)`). In a page the browser resolves the names, so a
switch between light and dark redraws nothing; for a file `resolve` puts in the colours of one palette. Sizes run along
viridis, its far end shifted so that every step has a contrast of at least 3:1 with its paper, and the largest size the
most; the other colours are Okabe and Ito's, which people with any colour vision can tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RAMP_STEPS = 8


@dataclass(frozen=True)
class Palette:
    """Colours by name; `ramp` from the smallest model to the largest."""

    name: str
    colours: Mapping[str, str]
    ramp: tuple[str, ...]

    def lookup(self) -> dict[str, str]:
        """Every name with its colour, the ramp as `ramp-0` and so on."""
        return {**self.colours, **{f"ramp-{step}": colour for step, colour in enumerate(self.ramp)}}


LIGHT = Palette(
    "light",
    {
        "paper": "#ffffff",
        "panel": "#f6f7f9",
        "rule": "#d9dde3",
        "ink": "#1b1f24",
        "muted": "#57606a",
        "accent": "#005f99",
        "forecast": "#0072b2",
        "outcome": "#d55e00",
        "second": "#b4508c",
        "good": "#007a55",
        "bad": "#b3261e",
        "caution": "#8a5a00",
    },
    ("#7d9a12", "#3f9a4a", "#1f8f86", "#2a7b8e", "#34608d", "#414487", "#472a7a", "#440154"),
)

DARK = Palette(
    "dark",
    {
        "paper": "#14171c",
        "panel": "#1c2027",
        "rule": "#343a44",
        "ink": "#e8eaed",
        "muted": "#a3abb5",
        "accent": "#6cc0f2",
        "forecast": "#56b4e9",
        "outcome": "#ffa23a",
        "second": "#e0a0c8",
        "good": "#3fcf9f",
        "bad": "#ff8a80",
        "caution": "#f0c24b",
    },
    ("#8a78d6", "#5b8bd0", "#3a9fb5", "#2fb08f", "#55c468", "#8cd446", "#c5e02b", "#fde725"),
)

_NAME = re.compile(r"var\(--([a-z0-9-]+)\)")


@dataclass(frozen=True)
class Theme:
    """The style of charts: fonts and sizes in pixels, and the two palettes."""

    font: str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
    label_size: int = 12
    title_size: int = 13
    height: int = 340
    palettes: tuple[Palette, Palette] = field(default=(LIGHT, DARK))


THEME = Theme()


def colour(name: str) -> str:
    """The name of a colour as charts hold it.

    Example:
        >>> colour("ink")
        'var(--ink)'
    """
    return f"var(--{name})"


def ramp(steps: int) -> list[str]:
    """Names of `steps` colours spread over the ramp of sizes.

    Example:
        >>> ramp(2)
        ['var(--ramp-0)', 'var(--ramp-7)']
    """
    if steps == 1:
        return [colour(f"ramp-{RAMP_STEPS // 2}")]
    return [colour(f"ramp-{round(step * (RAMP_STEPS - 1) / (steps - 1))}") for step in range(steps)]


def css_variables(palette: Palette) -> str:
    """The palette as CSS declarations."""
    return " ".join(f"--{name}: {value};" for name, value in palette.lookup().items())


def resolve(spec: Any, palette: Palette) -> Any:
    """The chart specification with every colour name replaced by the palette's colour."""
    if isinstance(spec, str):
        return _NAME.sub(lambda match: palette.lookup()[match[1]], spec)
    if isinstance(spec, dict):
        return {key: resolve(value, palette) for key, value in spec.items()}
    if isinstance(spec, list):
        return [resolve(value, palette) for value in spec]
    return spec


def chart_config(theme: Theme = THEME) -> dict[str, Any]:
    """The Vega-Lite configuration shared by all charts."""
    ink, muted = colour("ink"), colour("muted")
    text = {"labelColor": ink, "titleColor": ink, "labelFont": theme.font, "titleFont": theme.font}
    sizes = {"labelFontSize": theme.label_size, "titleFontSize": theme.title_size, "titleFontWeight": 600}
    return {
        "background": "transparent",
        "font": theme.font,
        "view": {"stroke": None},
        "axis": {
            **text,
            **sizes,
            "domainColor": muted,
            "tickColor": muted,
            "tickSize": 4,
            "gridColor": colour("rule"),
            "gridOpacity": 0.7,
            "labelPadding": 4,
            "titlePadding": 8,
            "labelOverlap": "greedy",
            "labelSeparation": 6,
        },
        "legend": {
            **text,
            **sizes,
            "orient": "top",
            "direction": "horizontal",
            "titleOrient": "top",
            "symbolType": "circle",
            "symbolStrokeWidth": 0,
            "columnPadding": 12,
            "rowPadding": 3,
            "padding": 0,
            "offset": 8,
        },
        "title": {"color": ink, "font": theme.font, "fontSize": 15, "anchor": "start", "subtitleColor": muted},
        "text": {"color": ink, "font": theme.font, "fontSize": theme.label_size},
    }
