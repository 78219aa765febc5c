"""JSON tables: one object per line (JSONL), a list of objects, or one object of equally long lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from isoflop.errors import InputError
from isoflop.readers.cells import RawTable
from isoflop.readers.text import read_text


def read_json(path: Path) -> RawTable:
    """The cells of the JSON or JSONL file at `path`; an object inside an object gives columns `outer.inner`.

    A row is named by its line in JSONL, by its number in a list.

    Raises:
        InputError: naming the line that is not JSON or not an object.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, source: str) -> RawTable:
    """The cells of JSON or JSONL `text`; `source` is named in errors."""
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return _table(_parse_lines(text, source), source)
    if isinstance(document, dict) and str(document.get("schema", "")).startswith("isoflop."):
        raise InputError(
            f"{source} is what isoflop wrote ({document['schema']}), not a table of runs: give the table, or a study."
        )
    if isinstance(document, dict) and document and all(isinstance(value, list) for value in document.values()):
        return _from_lists(document, source)
    items = [document] if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise InputError(f"{source}: a table is a list of objects, one per run; this is {_kind(document)}.")
    return _table(list(enumerate(items, start=1)), source)


def _parse_lines(text: str, source: str) -> list[tuple[int, Any]]:
    items = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                items.append((number, json.loads(line)))
            except (json.JSONDecodeError, RecursionError) as error:
                reason = getattr(error, "msg", "it is nested too deeply")
                raise InputError(f"{source}, row {number}: this line is not JSON ({reason}).") from None
    return items


def _table(items: list[tuple[int, Any]], source: str) -> RawTable:
    flat: list[dict[str, Any]] = []
    for number, item in items:
        if not isinstance(item, dict):
            raise InputError(f"{source}, row {number}: a row is an object like {{...}}; this is {_kind(item)}.")
        flat.append(_flatten(item))
    if not flat:
        raise InputError(f"{source} holds no rows: add one object per run.")
    header = tuple(dict.fromkeys(name for row in flat for name in row))
    rows = tuple(tuple(row.get(name) for name in header) for row in flat)
    return RawTable(source, header, rows, tuple(number for number, _ in items))


def _from_lists(document: dict[str, list[Any]], source: str) -> RawTable:
    lengths = {name: len(values) for name, values in document.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"{source}: the columns have different lengths ({shown}).")
    rows = tuple(zip(*document.values(), strict=True))
    if not rows:
        raise InputError(f"{source} holds no rows: add one value per run to every column.")
    return RawTable(source, tuple(document), rows, tuple(range(1, len(rows) + 1)))


def _flatten(item: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in item.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
