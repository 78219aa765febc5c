"""Charts as files: SVG or PNG for papers and pages, their data as CSV."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

import vl_convert

from isoflop import records
from isoflop.errors import UsageError
from isoflop.reporting.charts.parts import Chart
from isoflop.reporting.charts.rows import Rows
from isoflop.reporting.theme import LIGHT, Palette, colour, resolve


def save_chart(
    chart: Chart, path: str | os.PathLike[str], *, width: int = 760, palette: Palette = LIGHT, title: str = ""
) -> Path:
    """Write a chart as `.svg` or `.png` (twice the pixels), on the paper of the palette; no browser is needed.

    Raises:
        UsageError: the name ends otherwise.
    """
    place = Path(path)
    spec = file_spec(chart, width=width, palette=palette, title=title)
    if place.suffix == ".svg":
        records.write_text(place, vl_convert.vegalite_to_svg(spec))
    elif place.suffix == ".png":
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(vl_convert.vegalite_to_png(spec, scale=2.0))
    else:
        raise UsageError(f"save_chart: path={str(place)!r} must end in .svg or .png.")
    return place


def file_spec(chart: Chart, *, width: int, palette: Palette, title: str = "") -> dict[str, Any]:
    """The Vega-Lite specification of a chart for a file: fixed width, colours of one palette."""
    spec: dict[str, Any] = chart.to_dict()
    spec["width"] = width
    spec["config"]["background"] = colour("paper")
    spec["config"]["font"] = "sans-serif"
    spec["padding"] = 16
    if title:
        spec["title"] = title
    resolved: dict[str, Any] = resolve(_plain_fonts(spec), palette)
    return resolved


def csv_text(rows: Rows) -> str:
    """Rows as CSV with every column that occurs."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _plain_fonts(spec: dict[str, Any]) -> dict[str, Any]:
    for part in spec["config"].values():
        if isinstance(part, dict):
            part.update({name: "sans-serif" for name in part if name.lower().endswith("font")})
    return spec
