"""The report as a document: whole, small, offline, and safe whatever the runs are called."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoflop.errors import MissingExtraError, Refusal
from isoflop.findings import Finding
from isoflop.forecasting.backtest import Verdict
from isoflop.readers.examples import example_runs
from isoflop.readers.read import read_runs
from isoflop.reporting.report import report_from_fit, report_from_table, save_picture, write_report
from isoflop.runs.run import Curve
from isoflop.runs.table import RunTable
from tests.reporting.report_values import fit_by_hand, held_out, inputs
from tests.samples import run_of

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
_VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that elements close in order, and gathers text, identifiers, loads and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.loads += [value for name in ("src", "href", "action", "srcset", "poster") if (value := given.get(name))]
        self._script = (given.get("id") or "") if tag == "script" else ""
        if identifier := given.get("id"):
            self.ids.append(identifier)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1] if self.open else 'nothing'}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on the example table with learning curves added, as a study would have them."""
    values = report_from_table(read_runs(example_runs()), "chinchilla", draws=60, title="The example")
    steps = tuple(range(1, 1001))
    tokens, loss = tuple(640 * step for step in steps), tuple(4.5 / step**0.1 for step in steps)
    runs = tuple(replace(run_of("done", 2.2, seed), curve=Curve(steps, tokens, loss)) for seed in range(25))
    place = tmp_path_factory.mktemp("report") / "nested" / "report.html"
    assert write_report(place, replace(values, runs=runs)) == place
    return place


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page(written.read_text(encoding="utf-8"))


def test_it_is_whole_html(page: Page) -> None:
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert page.tags.count("h1") == 1


def test_it_is_small_and_loads_nothing(written: Path, page: Page) -> None:
    assert written.stat().st_size < 2_000_000
    assert page.loads == ["data:,"]
    style = re.search(r"<style>(.*?)</style>", written.read_text(encoding="utf-8"), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1] and "@import" not in style[1]


def test_it_says_the_numbers(page: Page) -> None:
    values = report_from_table(read_runs(example_runs()), "chinchilla", draws=60)
    outcome = values.held_out[0].outcome
    for number in (outcome.forecast.value, outcome.forecast.low, outcome.forecast.high, outcome.actual):
        assert number is not None
        assert f"{number:#.4g}" in page.text
    for value in values.fit.theta:
        assert f"{value:.4g}" in page.text
    assert "run-25" in page.text and "run-01" in page.text


def test_every_section_stands_in_its_order(page: Page) -> None:
    headings = (
        "The example",
        "Forecast and outcome",
        "The law",
        "What the data can and cannot tell",
        "Learning curves",
        "IsoFLOP slices",
        "How to spend a budget",
        "What this means",
        "What it does not mean",
        "The runs",
        "Do this on your own data",
        "Reporting checklist",
        "How to cite",
    )
    places = [page.words.index(heading) for heading in headings]
    assert places == sorted(places)


def test_charts_use_only_data_that_stand_in_the_page_once(page: Page) -> None:
    datasets, charts = json.loads(page.scripts["datasets"]), json.loads(page.scripts["charts"])
    assert len({json.dumps(rows, sort_keys=True) for rows in datasets.values()}) == len(datasets)
    used = {name for chart in charts.values() for name in (*_names(chart["spec"]), *chart["tables"].values())}
    assert used == set(datasets)
    assert {identifier.removeprefix("figure-") for identifier in page.ids if identifier.startswith("figure-")} == set(
        charts
    )


def test_learning_curves_are_thinned(page: Page) -> None:
    datasets, charts = json.loads(page.scripts["datasets"]), json.loads(page.scripts["charts"])
    rows = datasets[charts["learning-curves"]["tables"]["curves"]]
    assert 25 * 30 < len(rows) <= 25 * 60


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    values = replace(
        inputs(replace(held_out(1.955), name=HOSTILE), names=(HOSTILE, "=cmd()", "[bold]x")),
        title=HOSTILE,
        findings=(Finding("odd", "warn", HOSTILE),),
        commands=(HOSTILE,),
    )
    text = write_report(tmp_path / "report.html", values).read_text(encoding="utf-8")
    hostile, tame = Page(text), Page(write_report(tmp_path / "tame.html", inputs(held_out(1.955))).read_text())
    assert hostile.tags.count("script") == tame.tags.count("script")
    assert "img" not in hostile.tags
    assert HOSTILE in hostile.text
    assert any(
        HOSTILE in str(row.get("run")) for rows in json.loads(hostile.scripts["datasets"]).values() for row in rows
    )


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_report(tmp_path / name, inputs(held_out(1.955))) for name in ("a.html", "b.html"))
    assert first.read_bytes() == second.read_bytes()


def test_what_the_smaller_fit_of_a_back_test_finds_is_a_note_about_the_whole(tmp_path: Path) -> None:
    values = inputs(held_out(1.955))
    finding = Finding("degenerate", "refuse", "These runs do not determine E.")
    verdict = Verdict("chinchilla", 0.2, 0.9, (held_out(1.955).outcome,), values.fit, (finding,))
    page = Page(write_report(tmp_path / "report.html", replace(values, verdict=verdict)).read_text(encoding="utf-8"))
    assert "Note. In the back-test: These runs do not determine E." in page.text
    assert "Refused." not in page.text


def test_a_fit_without_draws_has_a_report_without_intervals(tmp_path: Path) -> None:
    text = write_report(tmp_path / "report.html", report_from_fit(fit_by_hand(draws=0))).read_text(encoding="utf-8")
    assert "nothing here has an interval" in Page(text).text


def test_a_law_of_one_quantity_has_a_report(tmp_path: Path) -> None:
    compute = np.logspace(18, 20, 12)
    loss = 1.5 + 900.0 * compute**-0.16 * (1.0 + 0.001 * np.cos(np.arange(12)))
    values = report_from_table(RunTable.from_columns({"compute": compute, "loss": loss}), "power-floor-c", draws=30)
    page = Page(write_report(tmp_path / "report.html", values).read_text(encoding="utf-8"))
    assert "Loss against training compute" in page.words
    assert "How to spend a budget" not in page.words


def test_the_picture_of_a_forecast_is_a_file(tmp_path: Path) -> None:
    place = save_picture(tmp_path / "forecast.svg", inputs(held_out(1.955)))
    assert "forecast 1.968" in place.read_text(encoding="utf-8")
    with pytest.raises(Refusal, match="no run was held out"):
        save_picture(tmp_path / "none.svg", inputs())


def test_without_the_chart_library_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("isoflop.reporting.", "altair"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtraError, match=r"isoflop\[report\]"):
        write_report(tmp_path / "report.html", inputs())
    assert not (tmp_path / "report.html").exists()


def _names(part: Any) -> list[str]:
    if isinstance(part, dict):
        data = part.get("data")
        own = [data["name"]] if isinstance(data, dict) and "name" in data else []
        return own + [name for value in part.values() for name in _names(value)]
    return [name for value in part for name in _names(value)] if isinstance(part, list) else []
