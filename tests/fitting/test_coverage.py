"""How often intervals contain the truth, and how sharp they are; at full size in `make check-statistics`."""

import numpy as np
import pytest

from benchmarks import coverage_measures
from benchmarks.broken_truths import Break, broken
from benchmarks.coverage_measures import Cell, measure

STUDIES = 60
SLACK = 2.6 * np.sqrt(0.9 * 0.1 / STUDIES)


@pytest.mark.parametrize("design", ["36-run grid", "heteroscedastic", "12 runs × 20 checkpoints"])
@pytest.mark.parametrize("noise", [0.003])
def test_intervals_contain_the_truth_about_as_often_as_they_say(design, noise, monkeypatch):
    monkeypatch.setattr(coverage_measures, "SCORED", 30)
    found = measure(Cell(design, "besiroglu", noise, studies=STUDIES))
    assert np.all(np.array(found["coverage"]) >= 0.9 - SLACK)
    assert np.mean(found["coverage"]) <= 0.97
    assert np.mean(np.array(found["score"]) / np.array(found["oracle"])) <= 1.3


def test_a_break_that_shows_in_the_runs_is_warned_of():
    found = broken(Break("chinchilla", 0.3, 0.003, 20))
    assert np.mean(found["warned"]) >= 0.95
