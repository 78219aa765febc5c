"""Table: rows of text and numbers on their way to a notebook, a paper or a data frame.

Every value that people look at has a `table()`; what becomes of it is written here once.
"""

from __future__ import annotations

import html as markup
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isoflop.errors import MissingExtraError, UsageError
from isoflop.quantities import Estimate, format_number

if TYPE_CHECKING:
    import pandas

Cell = str | float | None

_DIGITS = 4
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\n": " ",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


@dataclass(frozen=True)
class Table:
    """A title, the names of the columns, and rows of cells; None is a cell that is not known or open.

    Example:
        >>> table = Table("Runs", ("run", "tokens"), (("a", 2.1e9),))
        >>> table.rows[0]
        ('a', 2100000000.0)
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise UsageError(f"table: row {number} has {len(row)} cells, the header names {len(self.header)}.")


class Tabular:
    """A value that people look at as a table: in a notebook, as a data frame, in a paper."""

    @abstractmethod
    def table(self) -> Table:
        """Its rows."""

    def _repr_html_(self) -> str:
        return html(self.table())

    def to_pandas(self) -> pandas.DataFrame:
        """The rows of `table` as a pandas DataFrame."""
        return frame(self.table())

    def to_latex(self) -> str:
        """The rows of `table` for LaTeX."""
        return latex(self.table())


def estimate_cells(estimate: Estimate) -> tuple[float, float | None, float | None]:
    """The three cells of a number with uncertainty: value, low, high."""
    return estimate.value, estimate.low, estimate.high


def html(table: Table, most: int | None = None) -> str:
    """The table in HTML, its title above; the first `most` rows where that is given.

    Example:
        >>> html(Table("a < b", ("run",), (("<i>",),)))
        '<p>a &lt; b</p><table><tr><th>run</th></tr><tr><td>&lt;i&gt;</td></tr></table>'
    """
    rows = table.rows[:most]
    left_out = len(table.rows) - len(rows)
    tail = f"<p>… and {left_out} more</p>" if left_out else ""
    lines = [_html_row("th", table.header, str), *(_html_row("td", row, _plain) for row in rows)]
    return f"<p>{markup.escape(table.title)}</p><table>{''.join(lines)}</table>{tail}"


def latex(table: Table) -> str:
    r"""The table for LaTeX with the rules of the package booktabs, its title as a comment.

    Example:
        >>> print(latex(Table("Runs", ("run", "tokens"), (("a_1", 2.1e9),))))
        % Runs
        \begin{tabular}{lr}
        \toprule
        run & tokens \\
        \midrule
        a\_1 & $2.1\times10^{9}$ \\
        \bottomrule
        \end{tabular}
    """
    columns = "".join("r" if _is_numeric(table, index) else "l" for index in range(len(table.header)))
    lines = [
        # A comment ends with its line, so a title of several lines must not.
        f"% {' '.join(table.title.split())}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_row(table.header),
        r"\midrule",
        *(_latex_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def frame(table: Table) -> pandas.DataFrame:
    """The table as a pandas DataFrame, numbers unrounded.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("pandas", "pandas", "to_pandas()") from None
    columns = {name: [row[index] for row in table.rows] for index, name in enumerate(table.header)}
    return pandas.DataFrame(columns, columns=list(table.header))


def latex_number(value: float, digits: int = _DIGITS) -> str:
    r"""A number in LaTeX without delimiters, in `digits` significant digits.

    Example:
        >>> latex_number(2.1e9), latex_number(0.3473), latex_number(1e-7)
        ('2.1\\times10^{9}', '0.3473', '10^{-7}')
    """
    text = format_number(value, digits)
    mantissa, _, exponent = text.partition("e")
    if not exponent or not math.isfinite(value):
        return text if math.isfinite(value) else rf"\text{{{text}}}"
    if mantissa in ("1", "-1"):
        return f"{mantissa[:-1]}10^{{{exponent}}}"
    return rf"{mantissa}\times10^{{{exponent}}}"


def latex_text(text: str) -> str:
    r"""Text in which every mark that LaTeX would act upon is only printed.

    Example:
        >>> print(latex_text("a_1 & 5%"))
        a\_1 \& 5\%
    """
    return "".join(_LATEX.get(mark, mark) for mark in text)


def _html_row(tag: str, cells: tuple[Cell, ...], shown: Callable[[Cell], str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{markup.escape(shown(cell))}</{tag}>" for cell in cells) + "</tr>"


def _latex_row(cells: tuple[Cell, ...]) -> str:
    return " & ".join(_latex_cell(cell) for cell in cells) + r" \\"


def _latex_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return latex_text(cell)
    if cell is None or not math.isfinite(cell):
        return "--"
    if isinstance(cell, int):  # a count or a line of a file: never rounded
        return str(cell)
    return f"${latex_number(cell)}$"


def _plain(cell: Cell) -> str:
    if isinstance(cell, (str, int)):
        return str(cell)
    return "–" if cell is None or math.isnan(cell) else format_number(cell, _DIGITS)


def _is_numeric(table: Table, index: int) -> bool:
    return any(not isinstance(row[index], str) and row[index] is not None for row in table.rows)
