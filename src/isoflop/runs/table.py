"""RunTable: the waist of the hourglass. Whatever the source, everything after it sees columns of NumPy arrays.

Rows carry the line they came from (`row`, header = 1), so that every later finding can name the line in the
user's own file. Rows are never dropped silently: `exclude` moves them to `excluded` with the reason.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isoflop import records
from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN, training_flops
from isoflop.errors import InputError, Refusal, UsageError
from isoflop.findings import Finding
from isoflop.quantities import PARAM_COUNTS, ParamCount, format_count, format_number
from isoflop.runs.run import Run
from isoflop.tabular import Table, Tabular

if TYPE_CHECKING:
    import pandas

SIZE_TOLERANCE = 0.01
"""Sizes within 1 % of each other are taken for one model size when rows are grouped."""


@dataclass(frozen=True)
class Exclusion:
    """A row that was left out, by its line in the source, and why."""

    row: int
    reason: str


@dataclass(frozen=True, eq=False)
class RunTable(Tabular):
    """Runs (or checkpoints) as columns.

    `columns` maps names to arrays of one length: float64 for numbers (NaN = not given), object arrays of str for
    text. `row` holds the source line of each row. `param_count` says what `params` counts. `source` names where
    the rows came from, `excluded` the rows left out, `findings` what is worth saying about the data.

    Example:
        >>> table = RunTable.from_columns({"params": [1e6, 2e6], "tokens": [1e8, 1e8], "loss": [3.1, 2.9]})
        >>> len(table), table["loss"].tolist(), table.compute().tolist()
        (2, [3.1, 2.9], [600000000000000.0, 1200000000000000.0])
    """

    columns: Mapping[str, NDArray[Any]]
    row: NDArray[np.int64]
    param_count: ParamCount = "unspecified"
    source: tuple[str, ...] = ()
    excluded: tuple[Exclusion, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if self.param_count not in PARAM_COUNTS:
            raise UsageError(f"param_count={self.param_count!r} must be one of {', '.join(PARAM_COUNTS)}.")
        for name, values in self.columns.items():
            if values.shape != self.row.shape:
                raise InputError(f"column {name!r} has {values.size} values, the table has {self.row.size} rows.")

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, ArrayLike],
        *,
        row: ArrayLike | None = None,
        param_count: ParamCount = "unspecified",
        source: Sequence[str] = (),
        excluded: Iterable[Exclusion] = (),
        findings: Iterable[Finding] = (),
    ) -> RunTable:
        """The table of `columns`, taken under the names they have; rows count from 2, as in a file with a header.

        Raises:
            InputError: naming the column whose length or type does not fit.
        """
        arrays = {name: _frozen_array(name, values) for name, values in columns.items()}
        size = next(iter(arrays.values())).size if arrays else 0
        lines = np.arange(2, size + 2, dtype=np.int64) if row is None else np.array(row, dtype=np.int64)
        lines.setflags(write=False)
        return cls(arrays, lines, param_count, tuple(source), tuple(excluded), tuple(findings))

    @classmethod
    def from_runs(
        cls, runs: Sequence[Run], param_count: ParamCount = "total", source: Sequence[str] = ("runs",)
    ) -> RunTable:
        """The table of finished runs, `params` counted as `param_count` says; runs without a loss are excluded.

        Raises:
            UsageError: when `param_count` is neither total nor non-embedding, the two a dense run has.
        """
        if param_count not in ("total", "non-embedding"):
            raise UsageError(f"param_count={param_count!r} must be total or non-embedding for runs of the lab.")
        numbered = list(enumerate(runs, start=2))
        done = [(line, run) for line, run in numbered if run.state == "done" and run.loss is not None]
        excluded = [
            Exclusion(line, f"run {run.spec.identifier} {run.state}: {run.message or 'it has no loss'}")
            for line, run in numbered
            if run.state != "done" or run.loss is None
        ]
        cells = [_run_cells(run, param_count) for _, run in done]
        columns = {name: [cell[name] for cell in cells] for name in cells[0]} if cells else {}
        lines = [line for line, _ in done]
        return cls.from_columns(columns, row=lines, param_count=param_count, source=source, excluded=excluded)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> RunTable:
        """The table that `to_dict` wrote."""
        return cls.from_columns(
            record["columns"],
            row=record["row"],
            param_count=record["param_count"],
            source=record["source"],
            excluded=(Exclusion(item["row"], item["reason"]) for item in record["excluded"]),
            findings=(Finding.from_dict(item) for item in record["findings"]),
        )

    def __len__(self) -> int:
        return int(self.row.size)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.column(name)

    def __str__(self) -> str:
        parts = [f"{len(self)} rows"]
        for name in ("params", "tokens"):
            if self.has(name) and len(self):
                values = self.columns[name]
                parts.append(f"{name} {format_count(float(values.min()))} to {format_count(float(values.max()))}")
        if self.excluded:
            parts.append(f"{len(self.excluded)} excluded")
        return f"RunTable({', '.join(parts)})"

    __repr__ = __str__

    def has(self, name: str) -> bool:
        """Whether the table has a column of that name."""
        return name in self.columns

    def column(self, name: str) -> NDArray[Any]:
        """The values of a column.

        Raises:
            InputError: listing the columns there are.
            Refusal: the column would follow from the data if a question were answered; the message is that question.
        """
        if name not in self.columns:
            for finding in self.findings:
                if finding.code == f"ask-{name}":
                    raise Refusal(finding.message)
            available = ", ".join(self.columns) or "none"
            raise InputError(f"there is no column {name!r}: the table has {available}.")
        return self.columns[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The values of a column that must hold numbers.

        Raises:
            InputError: there is no such column, or it holds text; the message names the row and the cell.
        """
        values = self.column(name)
        if values.dtype != object:
            return values
        line, cell = next((pair for pair in zip(self.row, values, strict=True) if not _is_number(pair[1])), (None, ""))
        where = (
            f"column {name!r} holds no numbers" if line is None else f"row {line}, column {name!r}: {cell!r} is text"
        )
        raise InputError(
            f"{where}, and numbers are needed: correct the cells or leave them empty, or name another column."
        )

    def select(self, mask: ArrayLike) -> RunTable:
        """The rows where `mask` is true (or those it indexes), leaving the others unmentioned."""
        chosen = np.asarray(mask)
        columns = {name: _read_only(values[chosen]) for name, values in self.columns.items()}
        return replace(self, columns=columns, row=_read_only(self.row[chosen]))

    def exclude(self, mask: ArrayLike, reason: str) -> RunTable:
        """The table without the rows where `mask` is true, which move to `excluded` with the reason."""
        dropped = np.asarray(mask, dtype=bool)
        gone = tuple(Exclusion(int(line), reason) for line in self.row[dropped])
        return replace(self.select(~dropped), excluded=(*self.excluded, *gone))

    def counting(self, param_count: ParamCount) -> RunTable:
        """The table with `params` said to count what `param_count` says."""
        return replace(self, param_count=param_count)

    def with_columns(self, columns: Mapping[str, ArrayLike]) -> RunTable:
        """The table with `columns` added, or replaced where a name is there already."""
        added = {name: _frozen_array(name, values) for name, values in columns.items()}
        return replace(self, columns={**self.columns, **added})

    def with_findings(self, *findings: Finding) -> RunTable:
        """The table with `findings` added to those it carries."""
        return replace(self, findings=tuple(dict.fromkeys((*self.findings, *findings))))

    def tokens(self) -> NDArray[np.float64]:
        """Training tokens: the column, or C / (6·N) where only compute is given."""
        if self.has("tokens") or not self.has("compute"):
            return self.column("tokens")
        return np.asarray(self["compute"] / (FLOP_PER_PARAMETER_AND_TOKEN * self["params"]))

    def compute(self) -> NDArray[np.float64]:
        """Training compute in FLOP: the column, or 6·N·D where it is not given."""
        if self.has("compute"):
            return self.columns["compute"]
        return np.asarray(FLOP_PER_PARAMETER_AND_TOKEN * self["params"] * self["tokens"])

    def clusters(self, cluster: str = "auto") -> NDArray[np.int64]:
        """Which rows vary together: a group number for each row, counted from 0 in order of appearance.

        `auto` groups rows that share a run where some run has several rows (checkpoints), else rows whose sizes
        lie within 1 %, or each row alone where all are of one size; a column name groups by that column; `none` makes
        every row its own group.

        Raises:
            InputError: when `cluster` is neither `auto`, `none` nor a column.
        """
        if cluster == "none":
            return np.arange(len(self), dtype=np.int64)
        if cluster != "auto":
            return _labels(self.column(cluster))
        if self.has("run") and len(set(self["run"].tolist())) < len(self):
            return _labels(self["run"])
        sizes = _labels(_size_groups(self["params"])) if self.has("params") else self.clusters("none")
        # Runs of one size say nothing about what differs between sizes: one group could not be resampled.
        return sizes if len(sizes) and sizes.max() > 0 else self.clusters("none")

    @property
    def sha256(self) -> str:
        """Digest of the data (columns and what N counts), 64 hex digits; names of files do not enter."""
        return records.digest({"columns": dict(self.columns), "param_count": self.param_count})

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this table; a number that is not given is null."""
        return {
            "columns": {name: records.jsonable(values) for name, values in self.columns.items()},
            "row": self.row.tolist(),
            "param_count": self.param_count,
            "source": list(self.source),
            "excluded": [{"row": item.row, "reason": item.reason} for item in self.excluded],
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def table(self) -> Table:
        """The columns behind the source line of each row; a number that is not given is None."""
        cells = [[None if cell != cell else cell for cell in values.tolist()] for values in self.columns.values()]
        return Table(str(self), ("row", *self.columns), tuple(zip(self.row.tolist(), *cells, strict=True)))

    def to_pandas(self) -> pandas.DataFrame:
        """The columns as a pandas DataFrame whose index is the source line."""
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas() needs pandas, which is not installed: run pip install pandas.") from None
        return pandas.DataFrame(dict(self.columns), index=pandas.Index(self.row, name="row"))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `csv_text` to a file, whole or not at all."""
        records.write_text(Path(path), self.csv_text())

    def csv_text(self) -> str:
        """The columns as CSV; text that a spreadsheet would run is quoted with `'`."""
        lines = [",".join(_csv_text(name) for name in self.columns)]
        values = [array.tolist() for array in self.columns.values()]
        lines += [",".join(_csv_cell(cell) for cell in cells) for cells in zip(*values, strict=True)]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(cell))}</td>" for cell in cells) + "</tr>"
            for cells in zip(*(array[:20].tolist() for array in self.columns.values()), strict=True)
        )
        return f"<p>{html.escape(str(self))}</p><table><tr>{head}</tr>{body}</table>"


def _run_cells(run: Run, param_count: ParamCount) -> dict[str, float | str]:
    shape, spec = run.spec.shape, run.spec
    error = run.loss_standard_error
    return {
        "run": spec.identifier,
        "params": float(run.params_total if param_count == "total" else run.params_non_embedding),
        "params_total": float(run.params_total),
        "params_non_embedding": float(run.params_non_embedding),
        "tokens": float(spec.tokens),
        # What it took to come to this loss: branches that left the run before are no part of it.
        "compute": float(training_flops(shape, spec.tokens) if spec.branches else run.compute),
        "loss": float("nan") if run.loss is None else float(run.loss),
        "loss_standard_error": float("nan") if error is None else float(error),
        "seed": float(spec.seed),
        "batch_tokens": float(spec.batch_tokens),
        "learning_rate": float(spec.optimizer.learning_rate),
        "layers": float(shape.layers),
        "width": float(shape.width),
        "heads": float(shape.heads),
        "vocab": float(shape.vocab),
        "context": float(shape.context),
    }


def _frozen_array(name: str, values: ArrayLike) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and values.dtype == np.float64 and values.ndim == 1:
        return values if not values.flags.writeable else _read_only(values.copy())
    cells: list[Any] = np.asarray(values, dtype=object).tolist()
    if any(isinstance(cell, str) for cell in cells):
        text = np.empty(len(cells), dtype=object)
        text[:] = ["" if cell is None else str(cell) for cell in cells]
        return _read_only(text)
    try:
        return _read_only(np.array([np.nan if cell is None else float(cell) for cell in cells], dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(f"column {name!r} holds something that is neither a number nor text.") from None


def _is_number(cell: object) -> bool:
    try:
        float(str(cell) or "nan")
    except ValueError:
        return False
    return True


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values.setflags(write=False)
    return values


def _labels(values: NDArray[Any]) -> NDArray[np.int64]:
    # A cell without a value groups with nothing, so each missing one is its own group.
    keys = [("missing", index) if cell in ("", None) or cell != cell else cell for index, cell in enumerate(values)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def _size_groups(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(sizes, kind="stable")
    grouped = np.array(sizes, dtype=np.float64)
    anchor = np.nan
    for index in order:
        if not grouped[index] <= anchor * (1 + SIZE_TOLERANCE):
            anchor = grouped[index]
        grouped[index] = anchor
    return grouped


def _csv_cell(cell: object) -> str:
    if isinstance(cell, float):
        if cell != cell:
            return ""
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    return _csv_text(str(cell))


def _csv_text(text: str) -> str:
    # A spreadsheet runs a cell that starts with one of these as a formula; the apostrophe makes it text.
    if text[:1] in ("=", "+", "-", "@", "\t", "\r"):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r;\t') else text


def _shown(cell: object) -> str:
    return format_number(cell, 6) if isinstance(cell, float) else str(cell)
