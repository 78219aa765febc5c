"""An architecture from a TOML file: a table `[architecture]` and, for a mixture, `[architecture.experts]`.

    [architecture]
    layers = 32
    width = 4096
    heads = 32
    kv_heads = 8
    feedforward = 14336
    gated = true
    vocab = 32000
    context = 32768
    experts = { count = 8, per_token = 2, feedforward = 14336 }

`kv_heads` are as many as `heads`, and `head_width` is width / heads, unless given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from isoflop.accounting.architecture import Architecture, Experts
from isoflop.accounting.entries import user_tables
from isoflop.errors import InputError, UsageError


def read_architecture(path: Path) -> Architecture:
    """The architecture that the file at `path` describes.

    Raises:
        InputError: naming the file and the key that is missing, unknown or wrong.
    """
    table = user_tables(path).get("architecture")
    if not isinstance(table, dict):
        raise InputError(f"{path}: write the architecture under [architecture].")
    given = {**table}
    experts = given.pop("experts", None)
    if experts is not None and not isinstance(experts, dict):
        raise InputError(
            f"{path}: experts={experts!r} must be a table: {{ count = 8, per_token = 2, feedforward = 1 }}."
        )
    try:
        _keys(given, Architecture, f"{path}: [architecture]", optional=("kv_heads", "head_width"))
        _complete(given)
        if experts is not None:
            _keys(experts, Experts, f"{path}: [architecture.experts]")
            given["experts"] = Experts(**experts)
        return Architecture(**given)
    except UsageError as error:
        raise InputError(f"{path}: {error}") from None


def _complete(given: dict[str, Any]) -> None:
    heads, width = given["heads"], given["width"]
    given.setdefault("kv_heads", heads)
    if "head_width" in given:
        return
    if not (isinstance(heads, int) and isinstance(width, int) and heads > 0 and width % heads == 0):
        raise UsageError(f"width={width!r} is no multiple of heads={heads!r}: give head_width.")
    given["head_width"] = width // heads


def _keys(given: Mapping[str, Any], kind: type[Any], where: str, optional: Iterable[str] = ()) -> None:
    known = {field.name: field.default is MISSING for field in fields(kind)}
    if unknown := sorted(set(given) - set(known)):
        raise InputError(f"{where}: {unknown[0]!r} is no key: there are {', '.join(known)}.")
    needed = [name for name, must in known.items() if must and name not in optional]
    if missing := [name for name in needed if name not in given]:
        raise InputError(f"{where}: {missing[0]!r} is missing: {', '.join(needed)} are needed.")
