"""The reporting checklist of papers that fit scaling laws, filled in from the record.

The survey of Li et al. (2025) found that most papers leave out what others would need to repeat them, and asks authors
for the form of the law, the training set-up, how data were collected and how they were fitted. The questions here
follow that order in our own words. Every answer comes from the record; where it says nothing, the answer is `unknown`,
never a guess. Reference: li2025
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoflop import records, tabular
from isoflop.errors import UsageError
from isoflop.forecasting.calibration import Calibration
from isoflop.reporting import checklist_answers as answers
from isoflop.reporting.checklist_record import Answer, Record, record_of
from isoflop.reporting.inputs import ReportInputs
from isoflop.tabular import Table, Tabular

SCHEMA = "isoflop.checklist/1"
UNKNOWN = "unknown"
"""The answer to a question on which the record is silent."""

_FORM, _SETUP, _DATA, _FITTING = "The law", "Training", "Data", "Fitting"

QUESTIONS: tuple[tuple[str, str, Callable[[Record], Answer]], ...] = (
    (_FORM, "What form does the law have?", answers.form),
    (_FORM, "What is it used to tell?", answers.purpose),
    (_FORM, "Which quantities does it relate?", answers.variables),
    (_FORM, "Which of its parameters are fitted?", answers.parameters),
    (_FORM, "What is the form based on?", answers.grounds),
    (_FORM, "Where is it assumed to hold?", answers.assumptions),
    (_SETUP, "How many models were trained?", answers.models),
    (_SETUP, "Of which sizes?", answers.sizes),
    (_SETUP, "On how many tokens?", answers.data_sizes),
    (_SETUP, "With how much compute?", answers.budgets),
    (_SETUP, "On which data?", answers.training_data),
    (_SETUP, "Were data repeated?", answers.repetition),
    (_SETUP, "What does the model size count?", answers.parameter_count),
    (_SETUP, "How is compute counted?", answers.compute_count),
    (_SETUP, "What shapes do the models have?", answers.shapes),
    (_SETUP, "Which tokenizer or vocabulary?", answers.tokenizer),
    (_SETUP, "How long is the context?", answers.context),
    (_SETUP, "How large are the batches, in tokens?", answers.batch),
    (_SETUP, "Which peak learning rates?", answers.learning_rate),
    (_SETUP, "Which learning-rate schedule?", answers.schedule),
    (_SETUP, "Which optimizer?", answers.optimizer),
    (_SETUP, "How were hyper-parameters chosen, and anew at each scale?", answers.tuning),
    (_SETUP, "How many seeds?", answers.seeds),
    (_SETUP, "On what hardware?", answers.hardware),
    (_SETUP, "Is the training code to be had?", answers.training_code),
    (_DATA, "How many points are fitted?", answers.points),
    (_DATA, "Ends of runs, or checkpoints on the way?", answers.checkpoints),
    (_DATA, "What was left out, and why?", answers.left_out),
    (_DATA, "What is measured?", answers.metric),
    (_DATA, "On which held-out text?", answers.evaluation_text),
    (_DATA, "Was the measurement smoothed, averaged or interpolated?", answers.metric_changes),
    (_DATA, "What is its standard error?", answers.metric_noise),
    (_DATA, "Are the measurements to be had?", answers.metric_shared),
    (_FITTING, "What is minimised?", answers.objective),
    (_FITTING, "How are rows weighted?", answers.weighting),
    (_FITTING, "By which algorithm?", answers.algorithm),
    (_FITTING, "How are parameters constrained?", answers.constraints),
    (_FITTING, "From which starts?", answers.initialisation),
    (_FITTING, "What shows that it is an optimum?", answers.convergence),
    (_FITTING, "What came out?", answers.estimates),
    (_FITTING, "How is uncertainty told?", answers.uncertainty),
    (_FITTING, "How close is the fit?", answers.goodness),
    (_FITTING, "Was it tested on runs that were not fitted?", answers.validation),
    (_FITTING, "How far beyond the fitted runs was it tested?", answers.reach),
    (_FITTING, "What weakens it?", answers.weaknesses),
    (_FITTING, "What does it take to do it again?", answers.reproduction),
)


@dataclass(frozen=True)
class Item:
    """A question, its answer (`unknown` where the record is silent), and where the answer stands."""

    section: str
    question: str
    answer: str
    source: str = ""

    @property
    def known(self) -> bool:
        """Whether the record answers the question."""
        return self.answer != UNKNOWN

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this item."""
        return {"section": self.section, "question": self.question, "answer": self.answer, "source": self.source}


@dataclass(frozen=True)
class Checklist(Tabular):
    """Every question of the reporting checklist with what the record answers."""

    title: str
    items: tuple[Item, ...]

    @property
    def known(self) -> int:
        """How many questions the record answers."""
        return sum(item.known for item in self.items)

    @property
    def sections(self) -> dict[str, tuple[Item, ...]]:
        """The items under their headings, in order."""
        names = dict.fromkeys(item.section for item in self.items)
        return {name: tuple(item for item in self.items if item.section == name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": SCHEMA,
            "title": self.title,
            "reference": "li2025",
            "known": self.known,
            "unknown": len(self.items) - self.known,
            "items": [item.to_dict() for item in self.items],
        }

    def table(self) -> Table:
        """One row per question."""
        rows = tuple((item.section, item.question, item.answer, item.source) for item in self.items)
        return Table(f"Reporting checklist of {self.title}", ("section", "question", "answer", "source"), rows)

    def to_markdown(self) -> str:
        """A heading and a table for each section."""
        lines = [f"# Reporting checklist: {_cell(self.title)}", "", summary(self), ""]
        for name, items in self.sections.items():
            lines += [f"## {name}", "", "| question | answer | from |", "|---|---|---|"]
            lines += [f"| {item.question} | {_cell(item.answer)} | {_cell(item.source)} |" for item in items]
            lines.append("")
        return "\n".join(lines)

    def to_latex(self) -> str:
        """A list for each section, for a paper's appendix; needs no package."""
        lines = [
            rf"\section*{{Reporting checklist: {tabular.latex_text(self.title)}}}",
            tabular.latex_text(summary(self)),
        ]
        for name, items in self.sections.items():
            lines += [rf"\subsection*{{{name}}}", r"\begin{description}"]
            lines += [
                rf"\item[{tabular.latex_text(item.question)}] {tabular.latex_text(item.answer)}" for item in items
            ]
            lines.append(r"\end{description}")
        return "\n".join(lines) + "\n"

    def save(self, path: str | Path) -> None:
        """Write it as `.md`, `.tex` or `.json`, as the ending says.

        Raises:
            UsageError: for any other ending.
        """
        place = Path(path)
        match place.suffix:
            case ".md":
                records.write_text(place, self.to_markdown())
            case ".tex":
                records.write_text(place, self.to_latex())
            case ".json":
                records.write_record(place, self.to_dict())
            case ending:
                raise UsageError(f"checklist: {place.name!r} ends in {ending or 'nothing'!r}: use .md, .tex or .json.")

    def __str__(self) -> str:
        """The questions under their headings, each with its answer."""
        lines = [summary(self)]
        for name, items in self.sections.items():
            lines += ["", name, *(f"  {item.question} {item.answer}" for item in items)]
        return "\n".join(lines)


def checklist_of(inputs: ReportInputs, calibration: Calibration | None = None) -> Checklist:
    """The reporting checklist of what a report is made from.

    Args:
        inputs: as `report_from_fit` gives them.
        calibration: what a back-test inside the data showed, if the inputs do not carry it.

    Reference: li2025

    Example:
        >>> from isoflop.fitting.estimation import fit
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.reporting.report import report_from_fit
        >>> checklist = checklist_of(report_from_fit(fit("chinchilla", example_runs(), draws=20)))
        >>> [item.answer for item in checklist.items if item.question == "How many points are fitted?"]
        ['25']
    """
    shown = calibration or inputs.calibration or Calibration(None, None, 0, inputs.fit.level)
    record = record_of(inputs, shown)
    return Checklist(
        inputs.title, tuple(_item(section, question, answer(record)) for section, question, answer in QUESTIONS)
    )


def _item(section: str, question: str, answer: Answer) -> Item:
    return Item(section, question, UNKNOWN) if answer is None else Item(section, question, *answer)


def summary(checklist: Checklist) -> str:
    """How much of it is answered, and where the questions come from."""
    unknown = len(checklist.items) - checklist.known
    return (
        f"{checklist.known} of {len(checklist.items)} questions are answered from the record; {unknown} are unknown to "
        "it, and the authors' to answer. The questions follow the survey of Li et al. (2025, arXiv 2502.18969)."
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
