"""Studies of many parts that can be interrupted: a finished part is kept, and computed again only if the code changed.

What is kept lies under `.statistics/`, outside version control, by the digest of the package's source and of the
benchmark's own; the pages under `docs/reference/` are written from it.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".statistics"


def digest(*others: Path) -> str:
    """Of everything that the numbers depend on: the package without its reports and pages, and the `others`."""
    layers = ("laws", "fitting", "forecasting", "runs", "accounting")
    files = [path for layer in layers for path in sorted((ROOT / "src" / "isoflop" / layer).rglob("*.py"))]
    whole = hashlib.sha256()
    for path in (*files, *others):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def run_parts(
    name: str, work: Callable[[Any], Any], parts: Sequence[tuple[str, Any]], sources: Iterable[Path]
) -> dict[str, Any]:
    """`work(argument)` for every (key, argument) of `parts`, in as many processes as there are cores; JSON by key."""
    place = KEPT / name / digest(*sources)
    place.mkdir(parents=True, exist_ok=True)
    files = {key: place / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json" for key, _ in parts}
    todo = [(work, argument, files[key], key) for key, argument in parts if not files[key].is_file()]
    print(f"{name}: {len(parts) - len(todo)} of {len(parts)} parts are there", file=sys.stderr, flush=True)
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(os.cpu_count() or 1, max(len(todo), 1))) as pool:
        for done, key in enumerate(pool.imap_unordered(_one, todo), start=1):
            print(f"{name}: {done} of {len(todo)}: {key}", file=sys.stderr, flush=True)
    return {key: json.loads(path.read_text()) for key, path in files.items()}


def _one(part: tuple[Callable[[Any], Any], Any, Path, str]) -> str:
    work, argument, path, key = part
    result = json.dumps(work(argument))
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(result)
    beside.replace(path)
    return key
