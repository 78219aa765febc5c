"""Tables and lines of the terminal, and citations."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console, RenderableType

from isoflop.findings import Finding
from isoflop.fitting.fit import Contestant
from isoflop.fitting.forecasts import Rolling
from isoflop.fitting.uncertainty import METHODS
from isoflop.forecasting.backtest import Verdict
from isoflop.forecasting.prediction import Forecast, Point
from isoflop.laws.catalogue import LAWS
from isoflop.quantities import Estimate
from isoflop.reporting.citations import OF_DRAWS, bibliography, citations
from isoflop.reporting.tables import findings_lines, fit_table, forecast_table, outcome_table, verdict_lines
from tests.reporting.report_values import CALIBRATION, fit_by_hand, held_out


def printed(*parts: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(*parts)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_the_terminal_tables_do_not_load_the_chart_library() -> None:
    loaded = "[name for name in ('altair', 'vl_convert', 'torch') if name in sys.modules]"
    code = f"import sys, isoflop.reporting.tables; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_fit_is_printed_with_its_intervals() -> None:
    fit = fit_by_hand()
    text = printed(fit_table(fit))
    for name, estimate in (*fit.params.items(), *fit.frontier.items()):
        assert name in text
        assert f"{estimate.value:.4g}" in text and f"{estimate.low:.4g}" in text
    assert "E + A/N^alpha + B/D^beta" in text


def test_a_forecast_is_printed_with_its_reach() -> None:
    point = Point(70e9, 1.4e12, 5.88e23, Estimate(1.97, 1.93, None), 2.0)
    text = printed(forecast_table(Forecast("chinchilla", (point,), 0.9, CALIBRATION)))
    for part in ("70B", "1.4T", "5.88e23", "1.97", "[1.93, open]", "100×"):
        assert part in text


def test_outcomes_say_on_which_side_they_fell() -> None:
    outcomes = [held_out(1.955).outcome, held_out(2.04).outcome]
    lines = printed(outcome_table(outcomes)).splitlines()
    assert any("inside" in line and "+0.66%" in line for line in lines)
    assert any("outside" in line and "-3.53%" in line for line in lines)


def test_findings_come_heaviest_first_and_are_not_read_as_markup() -> None:
    findings = [Finding("a", "note", "[red]small[/red]"), Finding("b", "refuse", "large", tuple(range(2, 20)))]
    first, second = (line.plain for line in findings_lines(findings))
    assert first == "refused: large (b; rows 2, 3, 4, 5, 6, 7, 8, 9 and 10 more)"
    assert second == "note: [red]small[/red] (a)"
    assert "[red]small" in printed(*findings_lines(findings))


def test_a_verdict_is_a_sentence_and_its_findings() -> None:
    outcome = held_out(1.955).outcome
    verdict = Verdict("chinchilla", 4.0, 0.9, (outcome,), fit_by_hand(), (Finding("few-runs", "warn", "Few."),))
    lines = [line.plain for line in verdict_lines(verdict)]
    assert "100% fell in their 90% intervals" in lines[0]
    assert lines[1].startswith("warning: Few.")


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_every_law_can_be_cited(law: object) -> None:
    assert set(law.references) <= set(bibliography())  # type: ignore[attr-defined]


def test_citations_hold_the_law_the_methods_and_this_package() -> None:
    text = citations(fit_by_hand())
    for key in ("@software{isoflop", "hoffmann2022", "besiroglu2024", "huber1964", "webb2023"):
        assert key in text
    assert text.count("{") == text.count("}")
    assert "webb2023" not in citations(fit_by_hand(draws=0))


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        ("cluster-bootstrap", {"cameron2008"}),
        ("pairs-bootstrap", {"efron1993"}),
        ("bca", {"efron1987"}),
        ("wild-bootstrap", {"webb2023"}),
        ("parametric-bootstrap", {"efron1993", "aitken1936", "patterson1971"}),
        ("wald-t", {"aitken1936", "patterson1971"}),
        ("profile-likelihood", {"bates1988", "aitken1936", "patterson1971"}),
    ],
)
def test_every_method_of_uncertainty_is_cited(method: str, keys: set[str]) -> None:
    fitted = fit_by_hand()
    text = citations(replace(fitted, ensemble=replace(fitted.ensemble, method=method)))
    assert {key for key in _KEYS_OF_METHODS if key in text} == keys


_KEYS_OF_METHODS = (
    "cameron2008", "efron1993", "efron1987", "webb2023", "aitken1936", "patterson1971", "bates1988", "bates1969",
    "tashman2000", "dersimonian1986",
)  # fmt: skip


def test_the_methods_of_a_choice_and_of_a_back_test_are_cited() -> None:
    chosen = citations(replace(fit_by_hand(), contest=(Contestant("chinchilla", 0.01, 1.0),)))
    assert "bates1969" in chosen and "tashman2000" in chosen
    one = np.ones(1)
    rolling = Rolling(np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64), one, one, one)
    tested = citations(replace(fit_by_hand(), rolling=rolling))
    assert "dersimonian1986" in tested and "bates1969" not in tested


def test_every_method_that_draws_has_a_source() -> None:
    assert set(METHODS) - {"auto"} == set(OF_DRAWS)
