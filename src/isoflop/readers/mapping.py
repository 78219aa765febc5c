r"""A user's own word on how a source is to be read: a TOML file that names columns, constants and lines of a log.

[columns]                                 # header or metric → column
"eval/paloma/macro_loss" = "loss"

[set]                                     # what holds for every row
context = 2048
batch_unit = "sequences"

[log]                                     # a printed log that isoflop does not know
metrics = ['step (?P<step>\d+) .*? val (?P<val_loss>[\d.]+)']
facts = ['params=(?P<params>\S+)']
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoflop.errors import InputError, UsageError
from isoflop.quantities import parse_quantity
from isoflop.readers.text_log import LinePattern, TextLog
from isoflop.runs.columns import column_named

LONGEST_PATTERN = 1_000
_TABLES = ("columns", "set", "log")


@dataclass(frozen=True)
class SourceMapping:
    """What a mapping file says: columns by header, constants by column, and the format of a printed log."""

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str | float] = field(default_factory=dict)
    log: TextLog | None = None


def read_mapping(path: Path) -> SourceMapping:
    """The mapping file at `path`.

    Raises:
        InputError: it is not there, not TOML, or says something that is not understood; the message names the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the path of a mapping file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from None
    if unknown := sorted(set(document) - set(_TABLES)):
        raise InputError(f"{path}: {unknown[0]!r} is no table of a mapping file: there are {', '.join(_TABLES)}.")
    for name in _TABLES:
        if not isinstance(document.get(name, {}), dict):
            raise InputError(f"{path}: write [{name}] as a table.")
    columns = {key: _text(path, f"columns.{key}", value) for key, value in document.get("columns", {}).items()}
    constants = {key: _constant(path, key, value) for key, value in document.get("set", {}).items()}
    return SourceMapping(columns, constants, _log(path, document["log"]) if "log" in document else None)


def constant(name: str, text: str) -> str | float:
    """The value of `--set NAME=TEXT`: a number where the column holds numbers, else the text.

    Raises:
        UsageError: the column holds numbers, and this is none.
    """
    column = column_named(name)
    if column is not None and column.kind is not None:
        return parse_quantity(text, column.kind, f"--set {name}")
    if column is None:
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _constant(path: Path, name: str, value: Any) -> str | float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InputError(f"{path}: set.{name}={value!r} must be a number or a text.")
    try:
        return constant(name, str(value))
    except UsageError as error:
        raise InputError(f"{path}: {error}") from None


def _text(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{path}: {key}={value!r} must be a text.")
    return value


def _log(path: Path, table: Mapping[str, Any]) -> TextLog:
    if unknown := sorted(set(table) - {"metrics", "facts"}):
        raise InputError(f"{path}: log.{unknown[0]} is no key: there are metrics and facts.")
    metrics = _patterns(path, "metrics", table.get("metrics", []))
    if not metrics:
        raise InputError(f"{path}: log.metrics is missing: give at least one pattern with named groups.")
    return TextLog("mapped", metrics, _patterns(path, "facts", table.get("facts", [])))


def _patterns(path: Path, key: str, texts: Any) -> tuple[LinePattern, ...]:
    if not isinstance(texts, list):
        raise InputError(f"{path}: log.{key}={texts!r} must be a list of patterns.")
    patterns = []
    for text in texts:
        written = _text(path, f"log.{key}", text)
        try:
            if len(written) > LONGEST_PATTERN:
                raise re.error(f"it is longer than {LONGEST_PATTERN} characters")
            regex = re.compile(written)
        except (re.error, RecursionError, OverflowError) as error:
            raise InputError(f"{path}: log.{key} {written[:80]!r} is no pattern ({error}).") from None
        if not regex.groupindex:
            raise InputError(f"{path}: log.{key} {written[:80]!r} names no group: write (?P<val_loss>…).")
        patterns.append(LinePattern("", regex))
    return tuple(patterns)
