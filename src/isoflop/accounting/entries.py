"""Tables of constants in TOML, each entry with its source and date: read, checked, and overridden by a user's own.

A number may be written as a number or as people write it (`"989 TFLOP"`, `"80G"`), a date as TOML's or as text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from isoflop.errors import InputError, UsageError
from isoflop.quantities import Kind, parse_quantity

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Schema:
    """How a table of a TOML file is read: its name, and what stands for a quantity of which kind.

    Keys in `quantities` are numbers above zero; all others are texts, or lists of texts where the field is a tuple.
    """

    table: str
    quantities: Mapping[str, Kind]


def shipped_tables(name: str) -> dict[str, Any]:
    """The TOML file called `name` that comes with this package."""
    return tables_of("isoflop.accounting", name)


def tables_of(package: str, name: str) -> dict[str, Any]:
    """The TOML file called `name` that comes with `package`."""
    return tomllib.loads(resources.files(package).joinpath(name).read_text(encoding="utf-8"))


def user_tables(path: Path) -> dict[str, Any]:
    """A user's TOML file.

    Raises:
        InputError: it is not there, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: check the path, and that it is a text file.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}.") from error


def entries(tables: Mapping[str, Any], schema: Schema, kind: type[Entry], where: str) -> tuple[Entry, ...]:
    """The entries of the table that `schema` names, in the order of the file; none where it is absent.

    Raises:
        InputError: naming the file, the entry and the key that is missing, unknown or wrong.
    """
    listed = tables.get(schema.table, [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise InputError(f"{where}: write [[{schema.table}]] before every entry of that table.")
    return tuple(_entry(item, schema, kind, f"{where}: [[{schema.table}]] {k}") for k, item in enumerate(listed, 1))


def _entry(item: dict[str, Any], schema: Schema, kind: type[Entry], where: str) -> Entry:
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    needed = [name for name, field in known.items() if field.default is MISSING]
    if unknown := sorted(set(item) - set(known)):
        raise InputError(f"{where}: {unknown[0]!r} is no key: there are {', '.join(known)}.")
    if missing := [name for name in needed if name not in item]:
        raise InputError(f"{where}: {missing[0]!r} is missing: every entry has {', '.join(needed)}.")
    return kind(**{key: _value(value, schema.quantities.get(key), f"{where}: {key}") for key, value in item.items()})


def _value(value: Any, kind: Kind | None, where: str) -> Any:
    if kind is None:
        return _text(value, where)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(f"{where}={value!r} is not a number: write 300 or 1.5e9.")
    try:
        return parse_quantity(value if isinstance(value, str) else repr(value), kind, where)
    except UsageError as error:
        raise InputError(str(error)) from None


def _text(value: Any, where: str) -> Any:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value
    raise InputError(f"{where}={value!r} is not a text: put it in quotes.")
