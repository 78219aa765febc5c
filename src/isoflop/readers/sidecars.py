"""Small files of settings beside a log: JSON and YAML objects, read without trusting them.

YAML is read by the safe loader, with aliases capped and repeated keys refused; `1e18`, which YAML 1.1 takes for text,
is a number.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from isoflop.errors import InputError
from isoflop.readers.text import one_line, read_text

MOST_ALIASES = 20
"""Uses of `*name` in a file; a bomb needs dozens of them, nested."""

MOST_DEPTH = 32
MOST_NODES = 100_000
MOST_BYTES = {"JSON": 64 << 20, "YAML": 1 << 20}
"""Sizes beyond which no such file holds settings."""

_EXPONENT = re.compile(r"[+-]?\d+(?:\.\d*)?[eE][+-]?\d+")


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object at `path`.

    Raises:
        InputError: it is not JSON, or no object.
    """
    try:
        document = json.loads(_small(path, "JSON"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not JSON ({one_line(error)}).") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: a JSON object is expected there.")
    return document


def read_yaml_object(path: Path) -> dict[str, Any]:
    """The YAML mapping at `path`; an empty file is an empty one.

    Raises:
        InputError: it is not YAML, asks for Python objects, repeats a key, or nests or repeats beyond reason.
    """
    import yaml

    text = _small(path, "YAML")
    loader_type: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        aliases = depth = 0
        for event in yaml.parse(text, Loader=loader_type):
            aliases += isinstance(event, yaml.AliasEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if aliases > MOST_ALIASES or depth > MOST_DEPTH:
                raise InputError(f"{path} refers to itself or nests too often to be a file of settings.")
        loader = loader_type(text)
        node = loader.get_single_node()
        _refuse_repeats(path, node, set())
        document = None if node is None else _Numbers(path).read(loader.construct_document(node))
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, KeyError, TypeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not YAML that is safe to read ({one_line(error)}).") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputError(f"{path}: a YAML mapping is expected there.")
    return {str(key): value for key, value in document.items()}


def _small(path: Path, kind: str) -> str:
    if path.stat().st_size > MOST_BYTES[kind]:
        raise InputError(f"{path} has more than {MOST_BYTES[kind] >> 20} MiB: no file of settings has.")
    return read_text(path)


def _refuse_repeats(path: Path, node: Any, visited: set[int]) -> None:
    import yaml

    if id(node) in visited:
        return
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                raise InputError(f"{path}, line {key.start_mark.line + 1}: the key {name!r} stands there twice.")
            seen.add(name)
            _refuse_repeats(path, value, visited)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeats(path, item, visited)


class _Numbers:
    """A document with texts such as 1e18, numbers to everyone but YAML 1.1, as numbers; of a size that is bounded."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0

    def read(self, value: Any) -> Any:
        self._seen += 1
        if self._seen > MOST_NODES:
            raise InputError(f"{self._path} refers to itself or nests too often to be a file of settings.")
        if isinstance(value, dict):
            return {key: self.read(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.read(item) for item in value]
        return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value
