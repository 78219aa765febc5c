"""What a plan starts from: a saved fit of a law or of a frontier, or published constants."""

from __future__ import annotations

import shlex
from pathlib import Path

from isoflop import records
from isoflop.errors import InputError
from isoflop.fitting.fit import SCHEMA, Fit, load_fit
from isoflop.fitting.frontier_fit import FrontierFit, is_frontier_record, load_frontier_fit
from isoflop.fitting.published_fit import PREFIX, published_fit
from isoflop.planning.published_frontier import has_published_frontier, published_frontier


def source_of(source: Fit | FrontierFit | str | Path) -> Fit | FrontierFit:
    """The fit meant by a fit, the path of a saved one, or `published:NAME`.

    Raises:
        UsageError: there are no published constants of that name.
        InputError: the file is not a saved fit.

    Example:
        >>> source_of("published:kaplan2020").law
        'kaplan2020-frontier'
    """
    if isinstance(source, (Fit, FrontierFit)):
        return source
    text = str(source)
    if text.startswith(PREFIX):
        name = text.removeprefix(PREFIX)
        return published_frontier(name) if has_published_frontier(name) else published_fit(name)
    path = Path(source)
    try:
        record = records.read_record(path, SCHEMA)
    except InputError as error:
        if not path.is_file():
            raise
        first = f"isoflop fit {shlex.quote(text)} --out fit.json"
        raise InputError(f"{path} is not a saved fit: if it holds runs, fit them first: {first}") from error
    return load_frontier_fit(path) if is_frontier_record(record) else load_fit(path)
