"""A report is believed when its rows give every number in it again; whatever was edited is named."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isoflop.errors import InputError
from isoflop.fitting.estimation import fit
from isoflop.laws.catalogue import find
from isoflop.readers.examples import example_runs
from isoflop.readers.read import read_runs
from isoflop.reporting.document import as_drawn, script_json
from isoflop.reporting.embedding import from_record, to_record
from isoflop.reporting.report import report_from_fit, report_from_table, write_report
from isoflop.reporting.verification import is_page, verify_report
from isoflop.runs.run import Curve
from isoflop.runs.table import RunTable
from tests.samples import run_of

BLOCK = re.compile(r'(<script type="application/json" id="isoflop-inputs">)(.*?)(</script>)', re.DOTALL)
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all that one can carry: a held-out run, learning curves, names that must not end a script."""
    values = report_from_table(read_runs(example_runs()), "chinchilla", draws=300, title="The example </script> & more")
    steps = tuple(range(1, 301))
    curve = Curve(steps, tuple(640 * step for step in steps), tuple(4.5 / step**0.1 for step in steps))
    outcome = values.held_out[0].outcome
    runs = (*(replace(run_of("done", 2.2, seed), curve=curve) for seed in range(3)), run_of("done", outcome.actual, 9))
    held_out = (replace(values.held_out[0], run=runs[-1], forecast_written="2026-11-22T03:00:00+00:00"),)
    return write_report(
        tmp_path_factory.mktemp("report") / "report.html",
        replace(values, runs=runs, held_out=held_out, commands=("isoflop report runs.csv",)),
    )


def edited(report: Path, place: Path, edit: Edit) -> Path:
    """The report with what it carries edited, and nothing else."""
    page = report.read_text(encoding="utf-8")
    found = BLOCK.search(page)
    assert found is not None
    record = json.loads(found[2])
    edit(record)
    place.write_text(page[: found.start(2)] + str(script_json(record)) + page[found.end(2) :], encoding="utf-8")
    return place


def wrong(path: Path) -> dict[str, tuple[str, str]]:
    result = verify_report(path)
    assert result.refused and len(result.findings) == 1
    return {claim.name: (claim.claimed, claim.found) for claim in result.claims if not claim.agrees}


def test_a_report_as_written_agrees(report: Path) -> None:
    assert is_page(report) and report.stat().st_size < 2_000_000
    result = verify_report(report)
    assert (result.refused, result.kind, result.findings) == (False, "report", ())
    names = {claim.name: claim for claim in result.claims}
    assert {"fit.params.alpha.value", "held_out[0].forecast.low", "held_out[0].actual", "page"} <= set(names)
    assert names["page"].count > 300 and names["page"].difference == 0.0


def test_what_is_carried_can_be_read_back(report: Path) -> None:
    found = BLOCK.search(report.read_text(encoding="utf-8"))
    assert found is not None and "<" not in found[2]
    record = json.loads(found[2])
    assert record["schema"] == "isoflop.report/1"
    assert script_json(to_record(replace(from_record(record), verdict=None))) == script_json({**record, "hide": None})
    assert 30 < len(record["runs"][0]["curve"]["loss"]) <= 60


def test_thinning_drops_no_run_and_names_the_versions(report: Path) -> None:
    values = replace(report_from_table(read_runs(example_runs()), "chinchilla", draws=0), runs=(run_of("done", 2.0),))
    drawn = as_drawn(values)
    assert [run.spec for run in drawn.runs] == [run.spec for run in values.runs]
    assert {"isoflop", "Python", "numpy"} <= set(drawn.facts.versions)


def test_an_edited_page_is_caught_line_by_line(report: Path, tmp_path: Path) -> None:
    page = report.read_text(encoding="utf-8")
    shown = re.search(r'<p class="lead">Forecast (\d\.\d+)', page)
    cell = re.search(r'<td class="number" data-value="[\d.]+">(\d\.\d+)</td>', page)
    chart = re.search(r'id="datasets">.*?"loss":(\d\.\d+)', page)
    assert shown and cell and chart
    for found in sorted((shown, cell, chart), key=lambda found: -found.start(1)):
        page = page[: found.start(1)] + "1.111" + page[found.end(1) :]
    place = tmp_path / "edited.html"
    place.write_text(page, encoding="utf-8")
    lines = wrong(place)
    assert len(lines) == 3 and all(name.startswith("page line ") for name in lines)
    assert all("1.111" in claimed and "1.111" not in found for claimed, found in lines.values())
    first = next(iter(lines.values()))
    assert shown[1] in first[1]


def test_an_edited_row_is_caught_by_the_fit(report: Path, tmp_path: Path) -> None:
    def edit(record: dict[str, Any]) -> None:
        record["fit"]["rows"]["columns"]["loss"][3] += 0.01

    names = list(wrong(edited(report, tmp_path / "row.html", edit)))
    assert names[0] == "fit.data.sha256"
    assert "fit.objective.value" in names and any(name.startswith("page line ") for name in names)


def test_an_edited_outcome_is_caught(report: Path, tmp_path: Path) -> None:
    def edit(record: dict[str, Any]) -> None:
        outcome = record["held_out"][0]["outcome"]
        outcome["actual"] = outcome["forecast"]["value"]
        outcome["forecast"]["low"] += 0.01

    names = list(wrong(edited(report, tmp_path / "outcome.html", edit)))
    assert names[:2] == ["held_out[0].forecast.low", "held_out[0].actual"]
    assert any(name.startswith("page line ") for name in names)


def test_a_run_that_lost_less_than_the_row_that_was_fitted_is_caught(tmp_path: Path) -> None:
    def edit(record: dict[str, Any]) -> None:
        record["runs"][5]["run"]["loss"] -= 0.01

    runs = []
    for index, (size, steps) in enumerate(itertools.product((4e3, 8e3, 16e3, 32e3), (100, 400, 1600))):
        loss = 1.2 + 20.0 / size**0.35 + 400.0 / (640.0 * steps) ** 0.45 + 1e-3 * (-1) ** index
        run = run_of("done", loss, index)
        runs.append(replace(run, spec=replace(run.spec, tokens=640 * steps), params_total=int(size)))
    fitted = fit(find("chinchilla"), RunTable.from_runs(runs), draws=0)
    report = write_report(tmp_path / "report.html", replace(report_from_fit(fitted), runs=tuple(runs)))
    names = list(wrong(edited(report, tmp_path / "edited.html", edit)))
    assert names[0] == "runs[5].loss" and all(name.startswith("page line ") for name in names[1:])


def test_a_missing_line_and_another_rounding_are_told_apart(report: Path, tmp_path: Path) -> None:
    page = report.read_text(encoding="utf-8")
    chart = re.search(r'id="datasets">.*?"loss":(\d\.\d+)', page)
    assert chart is not None
    rounded = page[: chart.start(1)] + f"{float(chart[1]) * (1 + 1e-12):.17g}" + page[chart.end(1) :]
    place = tmp_path / "report.html"
    place.write_text(rounded, encoding="utf-8")
    result = verify_report(place)
    assert not result.refused and result.claims[-1].found == "rendered but for last digits"
    place.write_text(page.replace("<main>\n", "", 1), encoding="utf-8")
    assert wrong(place).popitem()[1][1] == "<main>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!doctype html><p>no report", "carries nothing"),
        ('<script type="application/json" id="isoflop-inputs">{</script>', "does not carry all"),
        ('<script type="application/json" id="isoflop-inputs">[]</script>', "no JSON object"),
        ('<script type="application/json" id="isoflop-inputs">{"schema":"isoflop.report/9"}</script>', "upgrade"),
        ('<script type="application/json" id="isoflop-inputs">{"schema":"isoflop.report/1"}</script>', "KeyError"),
    ],
)
def test_what_is_no_report_says_so(text: str, message: str, tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    place.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        verify_report(place)
