"""Versioned JSON for every value that is saved: canonical text, digests, durable writes, checked reads.

A record is a JSON object whose `schema` names its kind and version, `isoflop.fit/1` say. NaN and infinities are
never written: an open bound is `null`. Files appear whole or not at all: text is written beside its destination,
synced, and renamed into place (`write_text`), or linked into place exactly once (`publish_once`).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from abc import abstractmethod
from pathlib import Path
from typing import Any

from isoflop.errors import EnvironmentFailure, InputError

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode


def jsonable(value: Any) -> Any:
    """`value` as plain JSON types: tuples and arrays become lists, non-finite numbers become null."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return str(value)
    return value


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text of `value`; fails on anything that is not a JSON type rather than writing its repr."""
    return json.dumps(jsonable(value), indent=indent, allow_nan=False, ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, shortest round-trip numbers."""
    return _canonical(jsonable(value))


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`, as 64 hex digits."""
    return _sha256(canonical_json(value))


def plain_digest(value: Any) -> str:
    """The `digest` of a value of JSON's own types and tuples alone: nothing has to be turned into them."""
    return _sha256(_canonical(value))


def write_text(path: Path, text: str, *, synced: bool = True) -> None:
    """Put `text` at `path` whole or not at all, replacing what was there.

    Unless `synced`, a power failure may take it or empty it: for what can be told from its content and written anew.
    """
    staged = _stage(path, text, synced)
    try:
        os.replace(staged, path)
        if synced:
            _sync_directory(path.parent)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise EnvironmentFailure(_cannot_write(path, error)) from error


def publish_once(path: Path, text: str) -> bool:
    """Put `text` at `path` unless something is there already; say whether it was this call that did it."""
    staged = _stage(path, text, synced=True)
    try:
        os.link(staged, path)
        _sync_directory(path.parent)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        raise EnvironmentFailure(_cannot_write(path, error)) from error
    finally:
        staged.unlink(missing_ok=True)


def write_record(path: Path, record: dict[str, Any], *, synced: bool = True) -> None:
    """Write a record with its schema as indented JSON, whole or not at all; `synced` as for `write_text`."""
    write_text(path, to_json(record, indent=1) + "\n", synced=synced)


def read_record(path: Path, schema: str) -> dict[str, Any]:
    """The record at `path`, checked to be of `schema` (`"isoflop.fit/1"`); InputError says what is wrong."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the path of a file that isoflop wrote.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not JSON ({error}): write it again with isoflop.") from error
    found = record.get("schema") if isinstance(record, dict) else None
    if found != schema:
        kind, _, version = schema.partition("/")
        if isinstance(found, str) and found.startswith(kind + "/"):
            raise InputError(f"{path} has schema {found!r}, this isoflop reads version {version}: upgrade isoflop.")
        raise InputError(f"{path} has schema {found!r} where {schema!r} is expected: give the right kind of file.")
    assert isinstance(record, dict)
    return record


class Saved:
    """A value that is kept as a record."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""

    def save(self, path: str | Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_record(Path(path), self.to_dict())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _stage(path: Path, text: str, synced: bool) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise EnvironmentFailure(_cannot_write(path, error)) from error
    staged = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            if synced:
                os.fsync(stream.fileno())
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise EnvironmentFailure(_cannot_write(path, error)) from error
    staged.chmod(0o644)
    return staged


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> str:
    return f"{path} cannot be written ({error.strerror}): free space or choose another place; nothing was changed."
