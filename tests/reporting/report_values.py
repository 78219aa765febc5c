"""A fit and its runs made by hand, so that what a report says about them changes only when the report does."""

from __future__ import annotations

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.certificate import Certificate, FitStatus
from isoflop.fitting.fit import Ensemble, Fit, predict
from isoflop.fitting.objective import Objective
from isoflop.forecasting.backtest import Outcome
from isoflop.forecasting.calibration import Calibration
from isoflop.laws.catalogue import find
from isoflop.quantities import Estimate
from isoflop.reporting.inputs import Facts, HeldOut, ReportInputs
from isoflop.runs.table import RunTable

THETA = np.array([1.2, 20.0, 400.0, 0.35, 0.45])
CALIBRATION = Calibration(0.021, 0.75, 8, 0.9)
FACTS = Facts(
    text="python-stdlib",
    text_note="cleaned source, one token per byte",
    unit="byte",
    machine="2 cores",
    date="2026-11-22",
    seed=0,
    flops=3e13,
    seconds=420.0,
)


def table(names: tuple[str, ...] = ()) -> RunTable:
    sizes, budgets = np.meshgrid([4e3, 8e3, 16e3, 32e3], [5e5, 1e6, 2e6])
    columns = {"params": sizes.ravel(), "tokens": budgets.ravel()}
    ripple = 1.0 + 0.002 * np.sin(np.arange(sizes.size))
    loss = predict(find("chinchilla"), THETA[None], columns)[0] * ripple
    named = list(names) + [f"run-{index}" for index in range(len(names), sizes.size)]
    return RunTable.from_columns({"run": named, **columns, "loss": loss}, param_count="total", source=("ladder.csv",))


def fit_by_hand(names: tuple[str, ...] = (), draws: int = 40) -> Fit:
    runs, law = table(names), find("chinchilla")
    observed = np.asarray(runs["loss"], dtype=float)
    fitted = predict(law, THETA[None], {"params": runs["params"], "tokens": runs["tokens"]})[0]
    scatter = np.random.default_rng(1).normal(size=(draws, 5)) * np.array([0.02, 0.03, 0.03, 0.02, 0.02])
    return Fit(
        law=law,
        theta=THETA,
        objective=Objective("huber", 1e-3, "log-loss"),
        objective_value=1e-5,
        status=FitStatus.CONVERGED,
        certificate=Certificate(1e-14, 1e-4, 1e4, 144, 140, 9),
        ensemble=Ensemble(law.parameter_names, THETA * np.exp(scatter), "wild-bootstrap" if draws else "none"),
        level=0.9,
        seed=0,
        runs=runs,
        clusters=np.tile(np.arange(4), 3),
        residuals=np.log(observed / fitted),
        findings=(Finding("few-clusters", "note", "The 12 rows form 4 groups."),),
    )


def held_out(actual: float, written: str = "2026-11-22T03:00:00+00:00") -> HeldOut:
    outcome = Outcome(14, 64e3, 4e6, 6 * 64e3 * 4e6, actual, Estimate(1.968, 1.93, 2.01))
    return HeldOut(outcome, "width 64 on 4M tokens", None, written)


def inputs(*outcomes: HeldOut, names: tuple[str, ...] = ()) -> ReportInputs:
    return ReportInputs(
        title="A ladder of twelve",
        fit=fit_by_hand(names),
        held_out=outcomes,
        calibration=CALIBRATION,
        facts=FACTS,
        commands=("isoflop run ladder/study.toml",),
    )
