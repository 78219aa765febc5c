"""The report as one HTML document: everything it needs stands in it, nothing is loaded from anywhere."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import altair as alt
import vl_convert
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from isoflop import records
from isoflop.findings import Finding, by_weight
from isoflop.forecasting.calibration import Calibration
from isoflop.reporting import contents, words
from isoflop.reporting.charts import learning_curves
from isoflop.reporting.charts.rows import Rows
from isoflop.reporting.checklist import checklist_of, summary
from isoflop.reporting.citations import citations
from isoflop.reporting.embedding import to_record
from isoflop.reporting.figures import ZOOM_HINT, Figure, body_figures, headline_figures, limit_figures
from isoflop.reporting.inputs import ReportInputs
from isoflop.reporting.members import member_rows
from isoflop.reporting.tables import rows_text
from isoflop.reporting.theme import DARK, LIGHT, css_variables

_LABELS = {"refuse": "Refused.", "warn": "Warning.", "note": "Note."}

OWN_COMMANDS = (
    "isoflop read runs.csv --explain                         # what was recognised in your table",
    "isoflop fit runs.csv --out fit.json                     # the law, with intervals and warnings",
    "isoflop backtest runs.csv --hide 10x                    # would it have forecast your largest runs?",
    "isoflop forecast fit.json --params 70e9 --tokens 1.4e12 # a run nobody has trained yet",
    "isoflop report fit.json --out report.html               # this page, for your runs",
    "isoflop verify report.html                              # every number of the page, derived again",
    "",
    "isoflop init quickstart && isoflop run quickstart/study.toml   # or train a ladder of your own",
)


_GLOBALS = "window.vegaEmbed = vegaEmbed;"


@dataclass(frozen=True)
class _ShownFinding:
    severity: str
    label: str
    message: str
    tail: str


def render(inputs: ReportInputs, calibration: Calibration) -> str:
    """The whole document."""
    return render_drawn(as_drawn(inputs), calibration)


def as_drawn(inputs: ReportInputs) -> ReportInputs:
    """The inputs as a page shows and carries them: curves thinned to what is drawn, all versions named."""
    runs = tuple(replace(run, curve=learning_curves.thinned(run.curve)) for run in inputs.runs)
    return replace(inputs, runs=runs, facts=replace(inputs.facts, versions=_versions(inputs.facts.versions)))


def render_drawn(inputs: ReportInputs, calibration: Calibration) -> str:
    """The whole document of inputs as `as_drawn` gives them; the same inputs give the same bytes."""
    top, limits, body = headline_figures(inputs, calibration), limit_figures(inputs), body_figures(inputs)
    datasets, charts = _pool((*top, *limits, *body))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_packaged("report.html.j2"))
    return template.render(
        **_words(inputs, calibration),
        **_tables(inputs, calibration),
        top_figures=top,
        limit_figures=limits,
        figures=body,
        hint=ZOOM_HINT,
        style=Markup(_style()),
        script=Markup(_packaged("script.js")),
        library=Markup(_library()),
        datasets_json=script_json(datasets),
        charts_json=script_json(charts),
        inputs_json=script_json(to_record(inputs)),
    )


def script_json(value: Any) -> Markup:
    r"""`value` as JSON that may stand inside a script element: no `<`, so nothing in it can end the element.

    Example:
        >>> str(script_json({"run": "</script>"}))
        '{"run":"\\u003c/script\\u003e"}'
    """
    text = records.canonical_json(value)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)


def _words(inputs: ReportInputs, calibration: Calibration) -> dict[str, Any]:
    fit = inputs.fit
    return {
        "title": inputs.title,
        "headline": words.headline(inputs),
        "reach": words.reach_sentence(inputs),
        "fit": fit,
        "numbers": words.formula_with_numbers(fit),
        "level": f"{fit.level:.0%}",
        "findings": [_shown(finding) for finding in _all_findings(inputs, calibration)],
        "backtest": words.backtest_sentence(calibration, inputs.verdict),
        "certificate": words.certificate_sentences(fit),
        "means": words.what_it_means(inputs, calibration),
        "means_not": words.what_it_does_not_mean(inputs),
        "runs_sentence": _runs_sentence(inputs),
        "own_commands": OWN_COMMANDS,
        "commands": inputs.commands,
        "bibtex": citations(fit),
        "footer": tuple(_footer(inputs)),
        "version": _version("isoflop"),
    }


def _tables(inputs: ReportInputs, calibration: Calibration) -> dict[str, Any]:
    checklist = checklist_of(inputs, calibration)
    return {
        "tiles": contents.tiles(inputs),
        "members": member_rows(inputs.fit),
        "parameters": contents.parameter_rows(inputs.fit, inputs.facts.unit),
        "optimum": contents.optimum_rows(inputs.fit, calibration),
        "checklist": checklist,
        "checklist_summary": summary(checklist),
        "run_columns": contents.run_columns(inputs),
        "run_table": contents.run_table(inputs),
        "excluded": inputs.fit.runs.excluded,
    }


def _pool(figures: Iterable[Figure]) -> tuple[dict[str, Rows], dict[str, Any]]:
    """Every set of rows once under a short name, and the charts that use them by that name."""
    names: dict[str, str] = {}
    datasets: dict[str, Rows] = {}

    def place(rows: Rows) -> str:
        name = names.setdefault(records.canonical_json(rows), f"rows-{len(names)}")
        datasets[name] = rows
        return name

    charts = {}
    for figure in figures:
        with alt.data_transformers.enable(consolidate_datasets=False):
            spec = figure.chart.to_dict(validate=False)
        spec.pop("$schema", None)
        charts[figure.name] = {
            "spec": _replace_data(spec, place),
            "tables": {table: place(rows) for table, rows in figure.data.items()},
        }
    return datasets, charts


def _replace_data(part: Any, place: Callable[[Rows], str]) -> Any:
    """The specification with the rows of every layer put elsewhere and named."""
    if isinstance(part, dict):
        return {
            key: {"name": place(value["values"])} if key == "data" else _replace_data(value, place)
            for key, value in part.items()
        }
    return [_replace_data(value, place) for value in part] if isinstance(part, list) else part


def _all_findings(inputs: ReportInputs, calibration: Calibration) -> tuple[Finding, ...]:
    verdict = inputs.verdict.findings if inputs.verdict is not None else ()
    told = {finding.code for finding in (*inputs.findings, *inputs.fit.findings)}
    return by_weight(
        (
            *inputs.findings,
            *inputs.fit.findings,
            *calibration.findings,
            # The back-test fits fewer runs of the same table: what it repeats is said once, about the whole, and what
            # is wrong with the smaller fit alone is no fault of the whole.
            *(
                replace(finding, severity="note", message=f"In the back-test: {finding.message}")
                for finding in verdict
                if finding.code not in told
            ),
        )
    )


def _shown(finding: Finding) -> _ShownFinding:
    tail = f"({finding.code}{'; ' + rows_text(finding.rows) if finding.rows else ''})"
    return _ShownFinding(finding.severity, _LABELS[finding.severity], finding.message, tail)


def _runs_sentence(inputs: ReportInputs) -> str:
    runs = inputs.fit.runs
    parts = [f"{len(runs)} runs were fitted"]
    if inputs.held_out:
        parts.append(f"{len(inputs.held_out)} held out")
    if runs.excluded:
        parts.append(f"{len(runs.excluded)} left out")
    return f"{', '.join(parts)}. The difference is that of the observed {inputs.fit.law.output} from the law."


def _footer(inputs: ReportInputs) -> Iterable[tuple[str, str]]:
    facts, fit = inputs.facts, inputs.fit
    text = " ".join(part for part in (facts.text, facts.text_note) if part)
    known = (
        ("Text", text),
        ("Data", f"{', '.join(fit.runs.source)} (sha256 {fit.runs.sha256[:16]}…)" if fit.runs.source else ""),
        ("Cost of all runs", words.cost_sentence(facts)),
        ("Machine", facts.machine),
        ("Date", facts.date),
        ("Seed", str(fit.seed if facts.seed is None else facts.seed)),
        ("Fit", f"{fit.objective} objective, {len(fit.ensemble)} draws by {fit.ensemble.method}"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in facts.versions.items())),
    )
    return ((label, value) for label, value in known if value)


def _versions(given: Mapping[str, str]) -> dict[str, str]:
    own = {"isoflop": _version("isoflop"), "Python": platform.python_version(), "numpy": _version("numpy")}
    return {**own, **given}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unreleased"


def _style() -> str:
    text = _packaged("style.css")
    return text.replace("{{LIGHT}}", css_variables(LIGHT)).replace("{{DARK}}", css_variables(DARK))


def _packaged(name: str) -> str:
    return resources.files("isoflop.reporting").joinpath("page", name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return str(vl_convert.javascript_bundle(_GLOBALS)).replace("</script", "<\\/script")
