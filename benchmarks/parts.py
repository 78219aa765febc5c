"""Studies of many parts that can be interrupted: a finished part is kept, and computed again only if the code changed.

What is kept lies under `.statistics/`, outside version control, by the digest of the package's source and of the
benchmark's own; the pages under `docs/reference/` are written from it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".statistics"


def digest(modules: Iterable[str], others: Iterable[Path]) -> str:
    """Of everything that the numbers depend on: the source of `modules`, what they import, and the `others`."""
    whole = hashlib.sha256()
    for path in (*sorted(_reached(modules)), *others, Path(__file__)):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def _reached(modules: Iterable[str]) -> set[Path]:
    """The files of the package that `modules` import, directly or not, and their own."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = ROOT / "src" / Path(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found[name] = path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isoflop."):
                waiting += [str(node.module), *(f"{node.module}.{item.name}" for item in node.names)]
    return set(found.values())


def run_parts(
    name: str,
    work: Callable[[Any], Any],
    parts: Sequence[tuple[str, Any]],
    modules: Sequence[str],
    *sources: Path,
    again: bool = False,
) -> dict[str, Any]:
    """`work(argument)` for every (key, argument) of `parts`, in as many processes as there are cores; JSON by key.

    `modules` of the package do the work; a change of them, of what they import or of `sources` makes the parts anew,
    and so does `again`.
    """
    place = KEPT / name / digest(modules, sources)
    place.mkdir(parents=True, exist_ok=True)
    files = {key: place / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json" for key, _ in parts}
    todo = [(work, argument, files[key], key) for key, argument in parts if again or not files[key].is_file()]
    print(f"{name}: {len(parts) - len(todo)} of {len(parts)} parts are there", file=sys.stderr, flush=True)
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(os.cpu_count() or 1, max(len(todo), 1))) as pool:
        for done, key in enumerate(pool.imap_unordered(_one, todo), start=1):
            print(f"{name}: {done} of {len(todo)}: {key}", file=sys.stderr, flush=True)
    found = {key: json.loads(path.read_text()) for key, path in files.items()}
    minutes = sum(item["seconds"] for item in found.values()) / 60.0
    print(f"{name}: {minutes:.1f} CPU minutes in all", file=sys.stderr, flush=True)
    return {key: item["result"] for key, item in found.items()}


def _one(part: tuple[Callable[[Any], Any], Any, Path, str]) -> str:
    work, argument, path, key = part
    started = time.process_time()
    result = work(argument)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps({"result": result, "seconds": time.process_time() - started}))
    beside.replace(path)
    return key
