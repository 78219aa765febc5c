"""`isoflop verify`: 0 where every number agrees, 1 with the first that does not, 2 for what is no fit."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command


def test_a_fit_as_written_agrees(isoflop: Command, saved_fit: Path) -> None:
    ended = isoflop("verify", saved_fit)
    assert ended.code == 0
    assert "agree to the last bit" in ended.stdout and "params.alpha.value" in ended.stdout
    record = isoflop("verify", saved_fit, "--json").record
    assert (record["schema"], record["kind"]) == ("isoflop.verification/1", "fit")
    assert (record["agrees"], record["warnings"]) == (True, [])
    assert record["values"] > 1000 and all(claim["agrees"] for claim in record["claims"])


def test_a_changed_number_ends_with_1_and_is_named(isoflop: Command, saved_fit: Path, tmp_path: Path) -> None:
    record = json.loads(saved_fit.read_text())
    record["params"]["alpha"]["value"] *= 1.0 + 1e-6
    place = tmp_path / "fit.json"
    place.write_text(json.dumps(record))
    ended = isoflop("verify", place)
    assert ended.code == 1
    assert "NO" in ended.stdout and "params.alpha.value is claimed to be" in " ".join(ended.stdout.split())
    told = isoflop("verify", place, "--json")
    assert told.code == 1
    wrong = [claim["name"] for claim in told.record["claims"] if not claim["agrees"]]
    assert wrong == ["params.alpha.value"]


def test_what_is_no_fit_ends_with_2(isoflop: Command, table: Path, tmp_path: Path) -> None:
    assert isoflop("verify", tmp_path / "missing.json").code == 2
    assert isoflop("verify", table).code == 2
    (tmp_path / "forecast.json").write_text('{"schema": "isoflop.forecast/1"}')
    ended = isoflop("verify", tmp_path / "forecast.json")
    assert ended.code == 2 and "isoflop.fit/1" in ended.stderr
    (tmp_path / "brief.json").write_text('{"schema": "isoflop.fit/1", "law": "chinchilla", "declaration": {}}')
    assert isoflop("verify", tmp_path / "brief.json").code == 2


def test_a_report_is_verified_by_what_it_holds_not_by_its_name(
    isoflop: Command, saved_fit: Path, tmp_path: Path
) -> None:
    place = tmp_path / "page.of.numbers"
    assert isoflop("report", saved_fit, "--out", place, "--force").code == 0
    record = isoflop("verify", place, "--json").record
    assert (record["kind"], record["agrees"], record["law"]) == ("report", True, "chinchilla")
    page = place.read_text(encoding="utf-8")
    start = page.index('<td class="number">') + len('<td class="number">')
    place.write_text(page[:start] + "9" + page[start:], encoding="utf-8")
    ended = isoflop("verify", place)
    assert ended.code == 1
    told = " ".join(ended.stdout.split())
    assert "claims of the report (chinchilla)" in told and "page line" in told and "is claimed to be" in told


def test_a_page_that_is_no_report_ends_with_2(isoflop: Command, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!doctype html><p>hello")
    ended = isoflop("verify", tmp_path / "page.html")
    assert ended.code == 2 and "no report of isoflop" in " ".join(ended.stderr.split())
