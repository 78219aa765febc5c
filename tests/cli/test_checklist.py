"""`isoflop checklist`: printed, as JSON, and as files for a paper."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command


def test_it_prints_every_question(isoflop: Command, saved_fit: Path) -> None:
    ended = isoflop("checklist", saved_fit)
    assert ended.code == 0
    assert "What is minimised? huber:0.001" in ended.stdout
    assert "On which data? unknown" in ended.stdout
    assert "questions are answered from the record" in ended.stdout


def test_it_prints_the_promised_object(isoflop: Command, saved_fit: Path) -> None:
    record = isoflop("checklist", saved_fit, "--json").record
    assert record["schema"] == "isoflop.checklist/1"
    assert all(item["answer"] for item in record["items"])


def test_it_writes_for_papers(isoflop: Command, saved_fit: Path, tmp_path: Path) -> None:
    ended = isoflop("checklist", saved_fit, "--out", tmp_path / "appendix.tex")
    assert ended.code == 0 and ended.stdout == "" and "appendix.tex" in ended.stderr
    assert r"\item[What is minimised?]" in (tmp_path / "appendix.tex").read_text()
    other = isoflop("checklist", saved_fit, "--out", tmp_path / "appendix.docx")
    assert other.code == 2 and ".tex" in other.stderr and not (tmp_path / "appendix.docx").exists()


def test_a_table_is_fitted_first(isoflop: Command, table: Path, tmp_path: Path) -> None:
    record = isoflop("checklist", table, "--law", "kaplan-n", "--draws", "20", "--json").record
    assert record["items"][0]["answer"].endswith("(kaplan-n)")
    place = tmp_path / "short.csv"
    place.write_text("params,tokens,loss\n1e6,1e9,3.0\n")
    short = isoflop("checklist", place, "--json")
    assert short.code == 1 and short.record["schema"] == "isoflop.checklist/1" and short.record["refused"] is True
    assert isoflop("checklist", tmp_path / "nosuch.json").code == 2
