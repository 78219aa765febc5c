"""The reporting checklist: every item is answered from the record or unknown, never empty, never guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.findings import Finding
from isoflop.fitting.estimation import fit
from isoflop.readers.examples import example_runs
from isoflop.reporting.checklist import QUESTIONS, UNKNOWN, Checklist, checklist_of
from isoflop.reporting.document import render
from isoflop.reporting.report import report_from_fit, report_from_table
from isoflop.runs.table import Exclusion, RunTable
from tests.reporting.report_values import CALIBRATION, FACTS, fit_by_hand, held_out, inputs
from tests.samples import run_of

GOLDEN = Path(__file__).parent / "golden" / "checklist.md"


def answers(checklist: Checklist) -> dict[str, str]:
    return {item.question: item.answer for item in checklist.items}


def of_columns(**columns: object) -> dict[str, str]:
    """The answers for the fit made by hand, its runs having further columns."""
    fitted = fit_by_hand()
    runs = fitted.runs.with_columns({name: np.asarray(values, dtype=object) for name, values in columns.items()})
    return answers(checklist_of(replace(inputs(), fit=replace(fitted, runs=runs), facts=replace(FACTS, text=""))))


def bare() -> Checklist:
    """Of a user's formula on a table that says nothing but what was fitted."""
    runs = RunTable.from_columns({"size": np.geomspace(1.0, 9.0, 9), "score": np.linspace(3.0, 2.0, 9) ** 1.5})
    return checklist_of(report_from_fit(fit("a + b*size^(-c)", runs, y="score", draws=0)))


@pytest.mark.parametrize(
    "checklist",
    [
        checklist_of(inputs(held_out(1.955))),
        checklist_of(replace(inputs(), runs=(run_of("done", 2.2),))),
        bare(),
        checklist_of(report_from_fit(fit("power-floor-n", example_runs(), draws=20))),
        checklist_of(report_from_fit(fit("auto", example_runs(), draws=20))),
    ],
    ids=["by hand", "of a study", "a formula on two columns", "a law of one quantity", "a stack"],
)
def test_every_item_is_answered_or_unknown(checklist: Checklist) -> None:
    assert len(checklist.items) == len(QUESTIONS) == len({item.question for item in checklist.items})
    for item in checklist.items:
        assert item.answer.strip() and item.question.endswith("?"), item
        assert (item.source != "") == item.known == (item.answer != UNKNOWN), item
    assert list(checklist.sections) == ["The law", "Training", "Data", "Fitting"]
    assert checklist.known + sum(not item.known for item in checklist.items) == len(QUESTIONS)


def test_it_reads_as_it_always_did() -> None:
    assert checklist_of(inputs(held_out(1.955))).to_markdown() == GOLDEN.read_text(encoding="utf-8")


def test_a_stack_answers_for_each_of_its_laws() -> None:
    fitted = fit("auto", example_runs(), where="held_out == 0", draws=60)
    told = answers(checklist_of(report_from_fit(fitted)))
    heaviest = max(fitted.parts, key=lambda part: part.weight)
    count = len(fitted.members)
    assert count > 1
    assert told["What form does the law have?"].startswith(f"loss = weighted geometric mean of {count} laws: ")
    assert f"({heaviest.law.name}, weight {heaviest.weight:.0%})" in told["What form does the law have?"]
    assert f"{heaviest.law.name}: {len(heaviest.params)} (E, A, B" in told["Which of its parameters are fitted?"]
    for question in ("How are parameters constrained?", "What came out?"):
        assert all(f"{member.law.name}: " in told[question] for member in fitted.members)
    assert f"E = {heaviest.params['E']}" in told["What came out?"]
    assert "chosen from chinchilla, chinchilla-tied" in told["What is the form based on?"]
    assert told["What shows that it is an optimum?"].startswith("Of the least settled law: ")
    assert not any("w_1" in answer for answer in told.values())


def test_a_silent_table_leaves_most_of_the_training_unknown() -> None:
    silent = bare()
    training = [item.question for item in silent.sections["Training"] if item.known]
    assert training == []
    assert answers(silent)["What is the form based on?"] == UNKNOWN
    assert answers(silent)["Was it tested on runs that were not fitted?"] == UNKNOWN
    assert answers(silent)["What is measured?"] == "score"


def test_columns_answer_what_they_hold() -> None:
    told = of_columns(
        tokenizer=["gpt2"] * 12, dataset=["c4"] * 6 + ["pile"] * 6, eval_set=["wikitext"] * 12, batch_tokens=[512] * 12,
        learning_rate=np.linspace(0.001, 0.012, 12), optimizer=["muon"] * 12, seed=[0, 1] * 6, unique_tokens=[5e5] * 12,
        compute=[1e15] * 12, loss_standard_error=[0.01] * 12,
    )  # fmt: skip
    assert told["Which tokenizer or vocabulary?"] == "tokenizer gpt2"
    assert told["On which data?"] == "dataset c4 and pile"
    assert told["On which held-out text?"] == "eval_set wikitext"
    assert told["How large are the batches, in tokens?"] == "batch_tokens 512"
    assert told["Which peak learning rates?"] == "learning_rate 0.001 to 0.012"
    assert told["Which optimizer?"] == "optimizer muon"
    assert told["How many seeds?"] == "2 in 12 rows"
    assert told["Were data repeated?"] == "yes: up to 4 passes over the data"
    assert told["With how much compute?"] == "1e15 FLOP"
    assert told["What is its standard error?"] == "0.01"


def test_a_column_without_a_value_answers_nothing() -> None:
    told = of_columns(seed=[None] * 12, learning_rate=[None] * 12, unique_tokens=[None] * 12, dataset=[""] * 12)
    for question in ("How many seeds?", "Which peak learning rates?", "Were data repeated?", "On which data?"):
        assert told[question] == UNKNOWN


def test_checkpoints_of_a_run_are_told() -> None:
    told = of_columns(run=["a", "a", "a", "b", "b", "c", *"defghi"])
    assert told["How many models were trained?"] == "9"
    assert told["Ends of runs, or checkpoints on the way?"] == "up to 3 per run, resampled together"
    assert of_columns(run=["a", ""] * 6)["How many models were trained?"] == UNKNOWN


def test_a_study_answers_how_it_trained() -> None:
    told = answers(checklist_of(replace(inputs(), runs=(run_of("done", 2.2),))))
    assert told["Which optimizer?"] == "AdamW, betas 0.9 and 0.95, weight decay 0.1"
    assert "warm-up over 2% of the steps" in told["Which learning-rate schedule?"]
    assert told["Is the training code to be had?"].startswith("yes")
    assert told["On which data?"] == "python-stdlib (cleaned source, one token per byte)"


def test_exclusions_and_warnings_stand_in_it() -> None:
    fitted = fit_by_hand()
    gone = tuple(Exclusion(row, "loss is 0: it must be positive") for row in range(20, 28))
    findings = (Finding("where", "note", "tokens > 1 keeps 12 of 20 rows."), Finding("flat", "warn", "Flat."))
    runs = replace(fitted.runs, excluded=gone)
    told = answers(checklist_of(replace(inputs(), fit=replace(fitted, runs=runs, findings=findings))))
    assert told["What was left out, and why?"].startswith("tokens > 1 keeps 12 of 20 rows.; row 20: loss is 0")
    assert told["What was left out, and why?"].endswith("and 2 more")
    assert told["What weakens it?"] == "flat"


def test_held_out_runs_and_the_back_test_are_its_validation() -> None:
    told = answers(checklist_of(inputs(held_out(1.955)), CALIBRATION))
    assert "1 held out" in told["Was it tested on runs that were not fitted?"]
    assert "75% of 8 hidden outcomes" in told["Was it tested on runs that were not fitted?"]
    table = checklist_of(report_from_table(RunTable.from_dict(_example()), draws=20))
    assert answers(table)["How far beyond the fitted runs was it tested?"] == "3.1x the largest compute fitted"


def test_it_is_saved_as_its_ending_says(tmp_path: Path) -> None:
    checklist = checklist_of(inputs())
    for name in ("list.md", "list.tex", "list.json"):
        checklist.save(tmp_path / name)
    record = json.loads((tmp_path / "list.json").read_text())
    assert record["schema"] == "isoflop.checklist/1" and record["known"] + record["unknown"] == len(record["items"])
    assert set(record["items"][0]) == {"section", "question", "answer", "source"}
    assert (tmp_path / "list.md").read_text() == checklist.to_markdown()
    with pytest.raises(UsageError, match=r"\.md, \.tex or \.json"):
        checklist.save(tmp_path / "list.doc")


def test_latex_and_markdown_are_safe_whatever_the_answers_hold() -> None:
    hostile = r"50% of a_b & c\input{x} | ~^$#"
    checklist = checklist_of(replace(inputs(), facts=replace(FACTS, text=hostile), title=hostile))
    latex = checklist.to_latex()
    assert r"50\% of a\_b \& c\textbackslash{}input\{x\} | \textasciitilde{}\textasciicircum{}\$\#" in latex
    assert latex.count(r"\begin{description}") == latex.count(r"\end{description}") == 4
    rows = [line for line in checklist.to_markdown().splitlines() if line.startswith("| ")]
    assert all(line.replace(r"\|", "").count("|") == 4 for line in rows)


def test_the_report_shows_it_and_stays_the_same_each_time() -> None:
    page = render(inputs(), CALIBRATION)
    assert page == render(inputs(), CALIBRATION)
    for item in checklist_of(inputs(), CALIBRATION).items:
        assert item.question in page


def test_it_prints_and_converts() -> None:
    checklist = checklist_of(inputs())
    assert str(checklist).startswith(f"{checklist.known} of {len(QUESTIONS)} questions")
    assert len(checklist.to_pandas()) == len(QUESTIONS)
    assert "unknown" in checklist._repr_html_()


def _example() -> dict[str, object]:
    from isoflop.readers.read import read_runs

    return read_runs(example_runs()).to_dict()
