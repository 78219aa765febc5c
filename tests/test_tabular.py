"""Tables on their way out: escaped in HTML and LaTeX, unrounded in a frame, and the same for every value."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from isoflop.errors import MissingExtraError, UsageError
from isoflop.fitting.fit import Ensemble
from isoflop.fitting.frontier_fit import NAMES, Evidence, FrontierFit
from isoflop.forecasting.backtest import Verdict
from isoflop.forecasting.prediction import Forecast, Point
from isoflop.quantities import Estimate
from isoflop.tabular import Table, frame, html, latex
from tests.reporting.report_values import CALIBRATION, fit_by_hand, held_out, table

HOSTILE = "</td><script>alert(1)</script> & \\input{x} 50% $a_b^c$ #~\n"
MIXED = Table("Runs", ("run", "tokens"), (("a", 2.1e9), ("b", None), ("c", 12345), ("d", 0.25)))


def fit_of_frontier() -> FrontierFit:
    theta = np.array([0.1, 0.5, 1.7, 0.5])
    return FrontierFit(
        method="envelope",
        law="envelope",
        settings={},
        minima=(),
        theta=theta,
        evidence=Evidence(0.0, 0.0, 1.0, 1.0),
        ensemble=Ensemble(NAMES, np.array([0.9, 1.1])[:, None] * theta, "bootstrap"),
        level=0.9,
        seed=0,
        runs=table(),
    )


def test_numbers_are_written_for_each_reader() -> None:
    assert latex(MIXED).splitlines()[5:9] == [
        r"a & $2.1\times10^{9}$ \\",
        r"b & -- \\",
        r"c & 12345 \\",
        r"d & $0.25$ \\",
    ]
    assert "<td>2.1e9</td>" in html(MIXED) and "<td>–</td>" in html(MIXED) and "<td>12345</td>" in html(MIXED)
    assert html(MIXED, most=1).endswith("<p>… and 3 more</p>")
    assert frame(MIXED)["tokens"].tolist()[0] == 2.1e9


def test_hostile_text_stays_text() -> None:
    page = html(Table(HOSTILE, (HOSTILE,), ((HOSTILE,),)))
    assert "<script>" not in page and page.count("&lt;script&gt;") == 3
    paper = latex(Table(HOSTILE, (HOSTILE,), ((HOSTILE,),)))
    escaped = (
        r"\textless{}/td\textgreater{}\textless{}script\textgreater{}alert(1)\textless{}/script\textgreater{} \& "
        r"\textbackslash{}input\{x\} 50\% \$a\_b\textasciicircum{}c\$ \#\textasciitilde{}  \\"
    )
    lines = paper.splitlines()
    assert lines[0].startswith("% </td>") and lines[1] == r"\begin{tabular}{l}"
    assert [lines[3], lines[5]] == [escaped, escaped] and len(lines) == 8


def test_rows_must_fit_the_header() -> None:
    with pytest.raises(UsageError, match="row 0 has 1 cells, the header names 2"):
        Table("", ("a", "b"), (("1",),))


def test_without_pandas_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"isoflop\[pandas\]"):
        fit_by_hand().to_pandas()


def test_a_fit_is_a_table_of_its_parameters_and_exponents() -> None:
    fit = fit_by_hand()
    rows = fit.to_pandas()
    assert list(rows.columns) == ["parameter", "value", "low", "high", "meaning"]
    assert rows["parameter"].tolist() == ["E", "A", "B", "alpha", "beta", "params_exponent", "tokens_exponent"]
    assert rows["value"].tolist()[:5] == fit.theta.tolist()
    paper = fit.to_latex().splitlines()
    assert paper[0] == r"\[ 1.2 + \frac{20}{N^{0.35}} + \frac{400}{D^{0.45}} \]"
    assert paper[2:5] == [r"\begin{tabular}{lrrrl}", r"\toprule", r"parameter & value & low & high & meaning \\"]
    assert fit._repr_html_().count("<tr>") == 8
    assert fit_by_hand(draws=0).to_pandas()["low"].isna().all()


def test_an_unkind_law_cannot_leave_its_cell() -> None:
    fit = fit_by_hand()
    unkind = replace(fit, law=replace(fit.law, title=HOSTILE))
    assert "<script>" not in unkind._repr_html_()
    assert r"\input{x}" not in "".join(unkind.to_latex().splitlines()[2:])


def test_a_frontier_is_a_table_of_two_power_laws() -> None:
    fit = fit_of_frontier()
    assert fit.to_pandas()["parameter"].tolist() == list(NAMES)
    assert r"k\_N & $0.1$ & $0.091$ & $0.109$ & " in fit.to_latex()
    assert "<td>optimal data grows as compute to this power</td>" in fit._repr_html_()


def test_a_forecast_is_a_table_of_its_points() -> None:
    point = Point(7e10, 1.4e12, 5.88e23, Estimate(1.95, 1.9, None), 2.5, {"unique_<tokens>": 1e9})
    told = Forecast("chinchilla", (point,), 0.9, CALIBRATION)
    rows = told.to_pandas()
    assert list(rows.columns) == [
        *("params", "tokens", "compute", "unique_<tokens>"),
        *("loss", "low", "high", "decades_beyond_data"),
    ]
    assert rows["loss"].tolist() == [1.95] and rows["high"].isna().all()
    assert "unique_&lt;tokens&gt;" in told._repr_html_() and "<td>1.4e12</td>" in told._repr_html_()
    assert (
        r"$7\times10^{10}$ & $1.4\times10^{12}$ & $5.88\times10^{23}$ & $10^{9}$ & $1.95$ & $1.9$ & -- & $2.5$ \\"
        in told.to_latex()
    )


def test_a_verdict_is_a_table_of_its_outcomes() -> None:
    verdict = Verdict("chinchilla", 4.0, 0.9, (held_out(1.955).outcome,), fit_by_hand())
    rows = verdict.to_pandas()
    assert rows.loc[0, ["row", "actual", "interval"]].tolist() == [14, 1.955, "inside"]
    assert rows["error"].tolist() == [1.968 / 1.955 - 1.0]
    assert "90% intervals" in verdict._repr_html_() and r"$1.955$ & $0.00665$ & inside \\" in verdict.to_latex()


def test_a_run_table_has_a_row_per_run() -> None:
    runs = table((HOSTILE,))
    assert runs.table().header == ("row", "run", "params", "tokens", "loss")
    assert r"3 & run-1 & $8000$ & $5\times10^{5}$ & " in runs.to_latex()
    assert r"\input{x}" not in runs.to_latex()
    assert runs.to_pandas().index.tolist() == list(range(2, 14))
