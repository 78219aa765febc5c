"""The one table of published parametric numbers: the tests check it, and the page of published fits prints it."""

from __future__ import annotations

from tests.published import besiroglu, downstream, experts, muennighoff, published_runs, recipes, schedules
from tests.published.published_case import Published

SECTIONS: dict[str, list[Published]] = {
    "Chinchilla's law on 245 digitised points": besiroglu.CASES,
    "Repeated data": muennighoff.CASES,
    "Mixtures of experts": experts.CASES,
    "Learning rate and batch size": recipes.CASES,
    "Learning-rate schedules": schedules.CASES,
    "Metrics of tasks": downstream.CASES,
    "Published runs": published_runs.CASES,
}
TABLE = [case for cases in SECTIONS.values() for case in cases]
