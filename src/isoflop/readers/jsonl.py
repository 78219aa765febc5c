"""JSON tables: one object per line (JSONL), a list of objects, or one object of equally long lists."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import InputError
from isoflop.readers.raw import MOST_CELLS, Cells, RawTable, collection_paused
from isoflop.readers.text import Progress, open_lines, read_text
from isoflop.readers.wording import listed

ROWS_IN_A_PIECE = 20_000
MOST_DEPTH = 20
_NUMERIC = frozenset({int, float, type(None)})
_SIMPLE = frozenset({int, float, str, bool, type(None)})


def read_json(path: Path, progress: Progress | None = None) -> RawTable:
    """The cells of the JSON or JSONL file at `path`; an object inside an object gives columns `outer.inner`.

    A row is named by its line in JSONL, by its number in a list. Lines are read one by one, a document as a whole.

    Raises:
        InputError: naming the line that is not JSON or not an object.
    """
    with open_lines(path) as lines:
        said = (line for line in lines if line.strip())
        first, second = next(said, ""), next(said, "")
    if _is_object(first) and (not second or second.lstrip()[:1] == "{"):
        if not second:
            return parse_json(first, str(path))
        with open_lines(path) as lines, collection_paused():
            return _from_lines(itertools.chain.from_iterable(lines.watched(progress)), str(path))
    return parse_json(read_text(path), str(path))


def parse_json(text: str, source: str) -> RawTable:
    """The cells of JSON or JSONL `text`; `source` is named in errors."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _from_lines(text.split("\n"), source)
    if isinstance(document, dict) and str(document.get("schema", "")).startswith("isoflop."):
        raise InputError(
            f"{source} is what isoflop wrote ({document['schema']}), not a table of runs: give the table, or a study."
        )
    if isinstance(document, dict) and document and all(isinstance(value, list) for value in document.values()):
        lists = list(document.values())
        if len(lists) > 1 or not all(isinstance(item, dict) for item in lists[0]):
            return _from_lists(document, source)
        document = lists[0]  # {"runs": [{…}, …]}
    items = [document] if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise InputError(f"{source}: a table is a list of objects, one per run; this is {_kind(document)}.")
    return _table(enumerate(items, start=1), source)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _from_lines(lines: Iterable[str], source: str) -> RawTable:
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    columns = _Columns(source)
    while piece := list(itertools.islice(numbered, ROWS_IN_A_PIECE)):
        columns.add(_parsed(piece, source))
    return columns.table()


def _parsed(piece: list[tuple[int, str]], source: str) -> list[tuple[int, Any]]:
    try:
        # All at once, which is twice as fast; a line that closes what another opened would not be noticed here.
        items = json.loads("[" + ",".join([line for _, line in piece]) + "]")
        if len(items) == len(piece) and all(type(item) is dict for item in items):
            return list(zip([number for number, _ in piece], items, strict=True))
    except (ValueError, RecursionError):
        pass
    return [(number, _item(line, number, source)) for number, line in piece]


def _item(line: str, number: int, source: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", None) or (
            "it is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        )
        raise InputError(f"{source}, row {number}: this line is not JSON ({reason}).") from None


class _Columns:
    """Rows of objects gathered into columns, numbers as numbers; a key that comes late is missing in earlier rows."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._pieces: dict[str, list[tuple[int, Cells]]] = {}
        self.lines: list[int] = []

    def add(self, piece: Sequence[tuple[int, Any]]) -> None:
        start = len(self.lines)
        rows = [_flat(item, number, self._source) for number, item in piece]
        self.lines.extend([number for number, _ in piece])
        for name in dict.fromkeys(itertools.chain.from_iterable(rows)):
            self._pieces.setdefault(name, []).append((start, _numbers_or_cells([row.get(name) for row in rows])))
        if len(self.lines) * len(self._pieces) > MOST_CELLS:
            raise InputError(f"{self._source} has more than {MOST_CELLS:,} cells: keep one row per run, or fewer keys.")

    def table(self) -> RawTable:
        if not self.lines:
            raise InputError(f"{self._source} holds no rows: add one object per run.")
        columns = tuple(self._column(pieces) for pieces in self._pieces.values())
        return RawTable(self._source, tuple(self._pieces), columns, np.array(self.lines, dtype=np.int64))

    def _column(self, pieces: list[tuple[int, Cells]]) -> Cells:
        if all(isinstance(cells, np.ndarray) for _, cells in pieces):
            numbers = np.full(len(self.lines), np.nan)
            for start, cells in pieces:
                numbers[start : start + len(cells)] = cells
            pieces.clear()
            numbers.setflags(write=False)
            return numbers
        values: list[Any] = [None] * len(self.lines)
        for start, cells in pieces:
            values[start : start + len(cells)] = cells.tolist() if isinstance(cells, np.ndarray) else cells
        return values


def _numbers_or_cells(cells: list[Any]) -> NDArray[np.float64] | list[Any]:
    kinds = set(map(type, cells))
    if not kinds <= _NUMERIC:
        return cells
    try:
        return np.array(
            [np.nan if cell is None else cell for cell in cells] if type(None) in kinds else cells, np.float64
        )
    except OverflowError:
        return cells


def _table(items: Iterable[tuple[int, Any]], source: str) -> RawTable:
    columns = _Columns(source)
    rest = iter(items)
    while piece := list(itertools.islice(rest, ROWS_IN_A_PIECE)):
        columns.add(piece)
    return columns.table()


def _flat(item: Any, number: int, source: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InputError(f"{source}, row {number}: a row is an object like {{...}}; this is {_kind(item)}.")
    if _SIMPLE.issuperset(map(type, item.values())):
        return item
    return _flatten(item, "", MOST_DEPTH)


def _from_lists(document: dict[str, list[Any]], source: str) -> RawTable:
    lengths = {name: len(values) for name, values in document.items()}
    if len(set(lengths.values())) > 1:
        shown = listed([f"{name!r} {length}" for name, length in lengths.items()], 8)
        raise InputError(f"{source}: the columns have different lengths ({shown}).")
    rows = next(iter(lengths.values()))
    if not rows:
        raise InputError(f"{source} holds no rows: add one value per run to every column.")
    columns = tuple(_numbers_or_cells([_cell(value) for value in values]) for values in document.values())
    return RawTable(source, tuple(document), columns, np.arange(1, rows + 1, dtype=np.int64))


def _flatten(item: dict[str, Any], prefix: str, depth: int) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in item.items():
        if isinstance(value, dict) and depth:
            flat.update(_flatten(value, f"{prefix}{key}.", depth - 1))
        else:
            flat[f"{prefix}{key}"] = _cell(value)
    return flat


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
