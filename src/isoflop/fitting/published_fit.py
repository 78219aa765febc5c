"""Published constants in the shape of a fit, so that they serve wherever a fit is expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isoflop.findings import Finding, by_weight
from isoflop.fitting.certificate import Certificate, FitStatus
from isoflop.fitting.diagnostics.rounding import rounded_constants
from isoflop.fitting.fit import Ensemble, Fit, load_fit
from isoflop.fitting.objective import Objective
from isoflop.laws.published import find_published
from isoflop.runs.table import RunTable

PREFIX = "published:"


def fit_from(source: Fit | str | Path) -> Fit:
    """The fit meant by a fit, by the path of a saved one, or by `published:NAME`.

    Raises:
        UsageError: there are no published constants of that name, or they fill no law.
        InputError: the file is not a saved fit.

    Example:
        >>> fit_from("published:hoffmann2022-approach3").params["alpha"].value
        0.33917084
    """
    if isinstance(source, Fit):
        return source
    text = str(source)
    return published_fit(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else load_fit(source)


def published_fit(name: str) -> Fit:
    """Published constants as a fit without runs: it forecasts values, and no intervals."""
    constants = find_published(name)
    theta = np.array(constants.theta)
    law = constants.law
    assert law is not None  # theta has refused constants that fill no law
    message = (
        f"Constants of {constants.name} ({constants.source}; {constants.dataset}, {constants.tokenizer}), not of your "
        "runs: losses hold for that data and tokenizer alone, and no interval is given."
    )
    return Fit(
        law=law,
        theta=theta,
        objective=Objective(),
        objective_value=float("nan"),
        status=FitStatus.PUBLISHED,
        certificate=Certificate(float("nan"), float("nan"), None, 0, 0, 0),
        ensemble=Ensemble(law.parameter_names, theta[None], "published"),
        level=0.9,
        seed=0,
        runs=RunTable.from_columns({}, param_count=constants.param_count, source=(PREFIX + name,)),
        clusters=np.empty(0, dtype=np.int64),
        residuals=np.zeros(1),
        findings=by_weight(
            (Finding("published-constants", "note", message), *rounded_constants(law, constants.values))
        ),
    )
