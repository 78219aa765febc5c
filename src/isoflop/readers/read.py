"""The front door: any source, or several, read as one checked run table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from isoflop.errors import InputError, UsageError
from isoflop.findings import Finding
from isoflop.quantities import PARAM_COUNTS
from isoflop.readers.assemble import ROWS, Rows, assemble
from isoflop.readers.cells import Said, interpret
from isoflop.readers.csv import CsvOptions, read_csv
from isoflop.readers.discover import discover, source_of_file
from isoflop.readers.evals import join_evals
from isoflop.readers.finals import last_rows
from isoflop.readers.formats import READERS, read_logs
from isoflop.readers.frames import read_frame
from isoflop.readers.join import joined, rows_where
from isoflop.readers.jsonl import read_json
from isoflop.readers.live import is_address, read_address
from isoflop.readers.log import RunLog
from isoflop.readers.mapping import constant, read_mapping
from isoflop.readers.numbers import DECIMALS, Decimal
from isoflop.readers.overlaps import without_overlaps
from isoflop.readers.parquet import read_parquet
from isoflop.readers.raw import RawTable, Reading
from isoflop.readers.run_directory import find_run_directories, read_run_directories
from isoflop.readers.sniff import TABLES, sniff
from isoflop.readers.source import LogSource
from isoflop.readers.text_log import TextLog, read_text_log
from isoflop.readers.wording import counted, listed
from isoflop.runs.checks import check_rows
from isoflop.runs.columns import column_named
from isoflop.runs.table import RunTable

Choice = TypeVar("Choice", bound=str)
_OF_A_RUN = ("params", "tokens", "compute", "loss", "step")
Progress = Callable[[str, int, int], None]
"""Told what is read, and how many of how many bytes or runs are done."""


@dataclass(frozen=True)
class _Wish:
    """What the caller asks for, checked."""

    said: Said = field(default_factory=Said)
    rows: Rows | None = None
    format: str | None = None
    decimal: Decimal | None = None
    log: TextLog | None = None
    progress: Progress | None = None

    def within(self, what: str) -> Callable[[int, int], None] | None:
        """The progress of reading `what`."""
        report = self.progress
        return None if report is None else lambda done, total: report(what, done, total)


@dataclass
class _Reads:
    """What has been read of a source: tables with their readings, and benchmark results that wait for their runs.

    `names` are the headers and metrics that were there.
    """

    tables: list[RunTable] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    readings: list[Reading] = field(default_factory=list)
    results: list[RunLog] = field(default_factory=list)

    def add(self, table: RunTable, readings: Sequence[Reading]) -> None:
        self.tables.append(table)
        self.readings.extend(readings)


def read_runs(
    source: Any,
    *,
    param_count: str | None = None,
    where: str | None = None,
    y: str = "loss",
    rows: str | None = None,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str | float] | None = None,
    mapping: str | os.PathLike[str] | None = None,
    decimal: str | None = None,
    progress: Progress | None = None,
) -> RunTable:
    """The run table of `source`, its impossible rows excluded and everything noticed said in its findings.

    `source` is a path of a table, of logs or of a folder of either, several of these, a dict of columns, a pandas,
    polars or pyarrow table, or a RunTable, which is taken as it is. `param_count` says what N counts (`total`,
    `non-embedding`, `active`) and chooses between columns where there are several; `where` keeps the rows that fulfil
    a condition such as `params > 1e7`; `y` is the column that will be fitted, whose missing values exclude a row.

    `rows` is `finals` (one row for each run that finished, the default for logs), `last` (each run where it stopped)
    or `checkpoints`; tables are taken as they are unless it is given. `format` reads only logs of that format,
    `columns` maps headers or metrics to columns, `constants` are columns that hold for every row, `mapping` is the
    path of a file that says all this, `decimal` (`point` or `comma`) how numbers are written, and `progress` is told
    what is done.

    Raises:
        InputError: a source cannot be read, or none of its rows used; the message names file, row, column and value.
        UsageError: an argument is wrong.
        Refusal: several sources count parameters differently, or something that matters cannot be known; the message
            names the option that answers it.

    Example:
        >>> table = read_runs({"N": ["1M", "10M"], "D": ["1B", "1B"], "val_loss": [4.1, 3.4]}, param_count="total")
        >>> list(table.columns), table["params"].tolist()
        (['params', 'tokens', 'loss', 'compute'], [1000000.0, 10000000.0])
    """
    table, readings = read_unchecked(
        source,
        param_count=param_count,
        rows=rows,
        format=format,
        columns=columns,
        constants=constants,
        mapping=mapping,
        decimal=decimal,
        progress=progress,
    )
    return _checked(table, readings, where, y)


def read_unchecked(source: Any, **options: Any) -> tuple[RunTable, tuple[Reading, ...]]:
    """The run table of `source` with every row it has, and how each column was read; options of `read_runs`."""
    names = ("param_count", "rows", "format", "columns", "constants", "mapping", "decimal", "progress")
    wish = _wish(*(options.pop(name, None) for name in names))
    if options:
        raise UsageError(f"{next(iter(options))!r} is no option of reading: there are {', '.join(names)}.")
    # What comes of infinite and missing cells is infinite or missing, and is told by the checks.
    with np.errstate(all="ignore"):
        reads = _read_all(source, wish)
        table = reads.tables[0] if len(reads.tables) == 1 else joined(reads.tables)
    return table, tuple(dict.fromkeys(reads.readings))


def explain_runs(source: Any, **options: Any) -> tuple[Reading, ...]:
    """How each column of `source` was read: what it was taken for, why, and what was done; options of `read_runs`."""
    return read_and_explain(source, **options)[1]


def read_and_explain(
    source: Any, *, where: str | None = None, y: str = "loss", **options: Any
) -> tuple[RunTable, tuple[Reading, ...]]:
    """The run table of `source` and how each of its columns was read, from one reading; options of `read_runs`."""
    table, readings = read_unchecked(source, **options)
    return _checked(table, readings, where, y), readings


def _wish(
    param_count: str | None,
    rows: str | None,
    format: str | None,
    columns: Mapping[str, str] | None,
    constants: Mapping[str, str | float] | None,
    mapping: str | os.PathLike[str] | None,
    decimal: str | None,
    progress: Progress | None,
) -> _Wish:
    told = read_mapping(Path(mapping)) if mapping is not None else None
    given = {name: constant(name, value) if isinstance(value, str) else float(value)
             for name, value in (constants or {}).items()}  # fmt: skip
    said = Said(
        {**(told.columns if told else {}), **(columns or {})},
        {**(told.constants if told else {}), **given},
        _one_of("param_count", param_count, PARAM_COUNTS),
    )
    kind = _one_of("format", format, (*READERS, *TABLES))
    return _Wish(
        said,
        _one_of("rows", rows, ROWS),
        kind,
        _one_of("decimal", decimal, DECIMALS),
        told.log if told else None,
        progress,
    )


def _one_of(name: str, text: str | None, allowed: Sequence[Choice]) -> Choice | None:
    for choice in allowed:
        if text == choice:
            return choice
    if text is None:
        return None
    raise UsageError(f"{name}={text!r} must be one of {', '.join(allowed)}.")


def _read_all(source: Any, wish: _Wish) -> _Reads:
    several = isinstance(source, Sequence) and not isinstance(source, str)
    sources = list(source) if several else [source]
    if not sources:
        raise UsageError("source=[] is empty: give the path of a table, of logs or of a study directory.")
    reads = _Reads()
    for item in sources:
        _read_one(item, wish, reads)
    if reads.tables:
        reads.tables = [join_evals(table, reads.results) for table in reads.tables]
    elif reads.results:
        _add_raw(assemble(reads.results, "lm-eval results", wish.rows or "finals", wish.said.columns), wish, reads)
    for name, column in wish.said.columns.items():
        if name not in reads.names:
            there = listed(sorted(reads.names), 12)
            raise UsageError(f"--map {name}={column}: there is no column or metric {name!r}; there are {there}.")
    return reads


def _checked(table: RunTable, readings: Sequence[Reading], where: str | None, y: str) -> RunTable:
    if where is not None:
        table = rows_where(table, where, {item.column: item.taken_for for item in readings})
    with np.errstate(all="ignore"):
        checked = check_rows(table, y)
    if not len(checked):
        first = f": row {checked.excluded[0].row}: {checked.excluded[0].reason}" if checked.excluded else ""
        raise InputError(f"{' + '.join(table.source)}: none of the {len(table)} rows can be used{first}.")
    return checked


def _read_one(source: Any, wish: _Wish, reads: _Reads) -> None:
    if isinstance(source, RunTable):
        count = wish.said.param_count
        if count is not None and source.param_count not in (count, "unspecified"):
            raise InputError(f"param_count={count!r} is asked for, and the table counts {source.param_count}.")
        reads.add(source.counting(count) if count else source, _as_they_are(source))
    elif not isinstance(source, (str, os.PathLike)):
        _add_table(read_frame(source), wish, reads)
    elif is_address(str(source)):
        _add_logs(read_address(str(source), wish.within(str(source))), str(source), wish, reads, ())
    elif (path := Path(source)).is_dir():
        _read_folder(path, wish, reads)
    else:
        _read_file(path, wish, reads)


def _read_folder(folder: Path, wish: _Wish, reads: _Reads) -> None:
    if wish.format is None and wish.log is None and find_run_directories(folder):
        table = read_run_directories(folder, wish.said.param_count)
        reads.add(table, _as_they_are(table))
        return
    found = discover(folder, wish.format, mapped=wish.log is not None)
    notes = [Finding("covered-logs", "note", note) for note in found.notes]
    if found.sources:
        notes += _left_out("file", found.unreadable)
        if found.tables:
            message = f"Not read, since {folder} holds logs: {counted(len(found.tables), 'table')}; give their paths."
            notes.append(Finding("tables-beside-logs", "note", message))
        _read_sources(found.sources, str(folder), wish, reads, notes)
        return
    failures = list(found.unreadable)
    before = len(reads.tables)
    for path in found.tables:
        try:
            _read_file(path, wish, reads)
        except InputError as error:
            failures.append(str(error))
            continue
        # Any text can be taken for a table; alone in a folder it has to say something of a run.
        if not any(reads.tables[-1].has(name) for name in _OF_A_RUN):
            reads.tables.pop()
            failures.append(f"{path} has no column of a run, such as params, tokens or loss")
    if len(reads.tables) == before:
        raise InputError(_nothing(folder, failures, wish))
    reads.tables[-1] = reads.tables[-1].with_findings(*_left_out("file", failures))


def _left_out(what: str, failures: Sequence[str]) -> list[Finding]:
    if not failures:
        return []
    shown = listed([text.rstrip(".") for text in failures], 3, "; ")
    message = f"Left out since it cannot be read, {counted(len(failures), what)}: {shown}."
    return [Finding(f"unreadable-{what}s", "warn", message)]


def _nothing(folder: Path, failures: Sequence[str], wish: _Wish) -> str:
    first = f" (the first of {len(failures)} left out: {failures[0].rstrip('.')})" if failures else ""
    what = f"{wish.format} logs" if wish.format else "runs, logs or tables that can be read"
    return f"{folder} holds no {what}{first}: give a study, a folder of logs or a table; --mapping reads other logs."


def _read_file(path: Path, wish: _Wish, reads: _Reads) -> None:
    if wish.log is not None:
        source = LogSource("mapped", (path,), path.stem, path)
        _add_logs(read_text_log(source, wish.log), str(path), wish, reads, ())
        return
    kind = wish.format or sniff(path)
    if kind not in TABLES:
        _read_sources((source_of_file(path, kind),), str(path), wish, reads, ())
    elif kind == "json":
        _add_table(read_json(path, wish.within(str(path))), wish, reads)
    elif kind == "parquet":
        _add_table(read_parquet(path), wish, reads)
    else:
        _add_table(
            read_csv(
                path, CsvOptions(wish.decimal, finals=wish.rows in ("finals", "last"), progress=wish.within(str(path)))
            ),
            wish,
            reads,
        )


def _read_sources(
    sources: Sequence[LogSource], name: str, wish: _Wish, reads: _Reads, notes: Sequence[Finding]
) -> None:
    logs = [item for item in sources if item.format != "lm-eval"]
    failures: list[str] = []
    for item in sources:
        if item.format == "lm-eval":
            reads.results.extend(_runs_of((item,), wish, failures, only=len(sources) == 1))
    if logs:
        read = _runs_of(logs, wish, failures, only=len(logs) == 1)
        _add_logs(read, name, wish, reads, notes, failures)


def _runs_of(sources: Sequence[LogSource], wish: _Wish, failures: list[str], *, only: bool) -> Iterator[RunLog]:
    """The runs of the sources, one at a time; one that cannot be read does not hide the others."""
    report = wish.within("runs")
    for number, source in enumerate(sources, start=1):
        try:
            if source.format == "mapped" and wish.log is not None:
                yield from read_text_log(source, wish.log)
            else:
                yield from read_logs(source)
        except InputError as error:
            if only:
                raise
            failures.append(str(error))
        if report is not None:
            report(number, len(sources))


def _add_logs(
    logs: Iterator[RunLog],
    name: str,
    wish: _Wish,
    reads: _Reads,
    notes: Sequence[Finding],
    failures: Sequence[str] = (),
) -> None:
    raw = assemble(_some(logs, failures, name), name, wish.rows or "finals", wish.said.columns)
    _add_raw(raw, wish, reads)
    reads.tables[-1] = reads.tables[-1].with_findings(*notes, *_left_out("run", failures))


def _some(logs: Iterator[RunLog], failures: Sequence[str], name: str) -> Iterator[RunLog]:
    empty = True
    for log in logs:
        empty = False
        yield log
    if empty and failures:
        raise InputError(f"{name}: none of its {len(failures)} runs can be read ({failures[0]}).")


def _add_table(raw: RawTable, wish: _Wish, reads: _Reads) -> None:
    _add_raw(raw, wish, reads)
    table = without_overlaps(reads.tables[-1])
    reads.tables[-1] = last_rows(table) if wish.rows in ("finals", "last") else table


def _add_raw(raw: RawTable, wish: _Wish, reads: _Reads) -> None:
    reads.names.update(raw.header, (reading.column for reading in raw.origins.values()))
    reads.add(*interpret(raw, wish.said))


def _as_they_are(table: RunTable) -> tuple[Reading, ...]:
    known = {name: column_named(name) for name in table.columns}
    return tuple(
        Reading(name, name, column.meaning if column else "a column of the table", "taken as it is")
        for name, column in known.items()
    )
