"""Forecast big models from small ones: scaling laws fitted, tested by back-test, and used to plan.

    runs = isoflop.read_runs("runs.csv")                         # any table or study directory, checked
    fitted = isoflop.fit("chinchilla", runs)                     # a certified optimum with honest intervals
    print(isoflop.backtest("chinchilla", runs, hide=10))         # the largest runs hidden, forecast, compared
    print(isoflop.forecast(fitted, params=70e9, tokens=1.4e12))  # a run nobody has paid for yet
    print(isoflop.plan(fitted, compute=1e22))                    # what to train for a budget
    isoflop.write_report("report.html", isoflop.report_from_fit(fitted))

Importing this package loads no numerical library: every name below is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoflop.accounting.cost import Cost, Tariff, training_cost
    from isoflop.accounting.shape import Shape
    from isoflop.errors import EnvironmentFailure, InputError, IsoflopError, MissingExtraError, Refusal, UsageError
    from isoflop.findings import Finding
    from isoflop.fitting.envelope import fit_envelope
    from isoflop.fitting.estimation import fit
    from isoflop.fitting.fit import Ensemble, Fit, load_fit
    from isoflop.fitting.frontier_fit import load_frontier_fit
    from isoflop.fitting.isoflops import fit_isoflops
    from isoflop.fitting.wald import standard_errors
    from isoflop.forecasting.backtest import Verdict, backtest
    from isoflop.forecasting.comparison import Comparison, compare
    from isoflop.forecasting.families import FamilyComparison, compare_families
    from isoflop.forecasting.prediction import Forecast, forecast
    from isoflop.laws.catalogue import LAWS
    from isoflop.laws.catalogue import find as find_law
    from isoflop.laws.formula import law
    from isoflop.laws.frontier import frontier
    from isoflop.laws.law import Law, Parameter
    from isoflop.laws.published import find_published
    from isoflop.planning.design import Design
    from isoflop.planning.designing import design
    from isoflop.planning.plan import Plan
    from isoflop.planning.planner import plan
    from isoflop.quantities import Estimate
    from isoflop.readers.examples import example_runs
    from isoflop.readers.read import explain_runs, read_runs
    from isoflop.reporting.checklist import Checklist, checklist_of
    from isoflop.reporting.citations import citations
    from isoflop.reporting.report import report_from_fit, write_report
    from isoflop.reporting.verification import verify
    from isoflop.runs.run import Run
    from isoflop.runs.spec import RunSpec
    from isoflop.runs.table import RunTable

__all__ = [
    "LAWS",
    "Checklist",
    "Comparison",
    "Cost",
    "Design",
    "Ensemble",
    "EnvironmentFailure",
    "Estimate",
    "FamilyComparison",
    "Finding",
    "Fit",
    "Forecast",
    "InputError",
    "IsoflopError",
    "Law",
    "MissingExtraError",
    "Parameter",
    "Plan",
    "Refusal",
    "Run",
    "RunSpec",
    "RunTable",
    "Shape",
    "Tariff",
    "UsageError",
    "Verdict",
    "__version__",
    "backtest",
    "checklist_of",
    "citations",
    "compare",
    "compare_families",
    "design",
    "example_runs",
    "explain_runs",
    "find_law",
    "find_published",
    "fit",
    "fit_envelope",
    "fit_isoflops",
    "forecast",
    "frontier",
    "law",
    "load_fit",
    "load_frontier_fit",
    "plan",
    "read_runs",
    "report_from_fit",
    "standard_errors",
    "training_cost",
    "verify",
    "write_report",
]

# public name → (module, name in it)
_HOMES = {
    "Checklist": ("isoflop.reporting.checklist", "Checklist"),
    "Comparison": ("isoflop.forecasting.comparison", "Comparison"),
    "Cost": ("isoflop.accounting.cost", "Cost"),
    "Design": ("isoflop.planning.design", "Design"),
    "Ensemble": ("isoflop.fitting.fit", "Ensemble"),
    "EnvironmentFailure": ("isoflop.errors", "EnvironmentFailure"),
    "Estimate": ("isoflop.quantities", "Estimate"),
    "FamilyComparison": ("isoflop.forecasting.families", "FamilyComparison"),
    "Finding": ("isoflop.findings", "Finding"),
    "Fit": ("isoflop.fitting.fit", "Fit"),
    "Forecast": ("isoflop.forecasting.prediction", "Forecast"),
    "InputError": ("isoflop.errors", "InputError"),
    "IsoflopError": ("isoflop.errors", "IsoflopError"),
    "LAWS": ("isoflop.laws.catalogue", "LAWS"),
    "Law": ("isoflop.laws.law", "Law"),
    "MissingExtraError": ("isoflop.errors", "MissingExtraError"),
    "Parameter": ("isoflop.laws.law", "Parameter"),
    "Plan": ("isoflop.planning.plan", "Plan"),
    "Refusal": ("isoflop.errors", "Refusal"),
    "Run": ("isoflop.runs.run", "Run"),
    "RunSpec": ("isoflop.runs.spec", "RunSpec"),
    "RunTable": ("isoflop.runs.table", "RunTable"),
    "Shape": ("isoflop.accounting.shape", "Shape"),
    "Tariff": ("isoflop.accounting.cost", "Tariff"),
    "UsageError": ("isoflop.errors", "UsageError"),
    "Verdict": ("isoflop.forecasting.backtest", "Verdict"),
    "backtest": ("isoflop.forecasting.backtest", "backtest"),
    "checklist_of": ("isoflop.reporting.checklist", "checklist_of"),
    "citations": ("isoflop.reporting.citations", "citations"),
    "compare": ("isoflop.forecasting.comparison", "compare"),
    "compare_families": ("isoflop.forecasting.families", "compare_families"),
    "design": ("isoflop.planning.designing", "design"),
    "example_runs": ("isoflop.readers.examples", "example_runs"),
    "explain_runs": ("isoflop.readers.read", "explain_runs"),
    "find_law": ("isoflop.laws.catalogue", "find"),
    "find_published": ("isoflop.laws.published", "find_published"),
    "fit": ("isoflop.fitting.estimation", "fit"),
    "fit_envelope": ("isoflop.fitting.envelope", "fit_envelope"),
    "fit_isoflops": ("isoflop.fitting.isoflops", "fit_isoflops"),
    "forecast": ("isoflop.forecasting.prediction", "forecast"),
    "frontier": ("isoflop.laws.frontier", "frontier"),
    "law": ("isoflop.laws.formula", "law"),
    "load_fit": ("isoflop.fitting.fit", "load_fit"),
    "load_frontier_fit": ("isoflop.fitting.frontier_fit", "load_frontier_fit"),
    "plan": ("isoflop.planning.planner", "plan"),
    "read_runs": ("isoflop.readers.read", "read_runs"),
    "report_from_fit": ("isoflop.reporting.report", "report_from_fit"),
    "standard_errors": ("isoflop.fitting.wald", "standard_errors"),
    "training_cost": ("isoflop.accounting.cost", "training_cost"),
    "verify": ("isoflop.reporting.verification", "verify"),
    "write_report": ("isoflop.reporting.report", "write_report"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'isoflop' has no attribute {name!r}: its names are {', '.join(__all__)}.")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("isoflop")
    except PackageNotFoundError:
        # The source tree is on the path without being installed.
        return "0+uninstalled"
