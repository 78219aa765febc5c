"""Forecasts of the largest runs of public ladders; all ladders run in `make check-statistics`."""

import numpy as np
import pytest

from benchmarks.backtests import score
from benchmarks.ladders import ladders

# Two that bend, one of them with few large runs.
LADDERS = ("chinchilla-epoch", "gemstones")


@pytest.fixture(scope="module")
def scores(public_data):
    known = {ladder.name for ladder in ladders(public_data)}
    assert set(LADDERS) <= known
    return {name: score(name) for name in LADDERS}


def test_hidden_runs_come_out_inside_and_close(scores):
    inside, errors, plain = [], [], []
    for item in scores.values():
        inside += [row["low"] <= row["actual"] <= row["high"] for row in item["auto"]]
        errors.append(np.median([abs(row["forecast"] / row["actual"] - 1.0) for row in item["auto"]]))
        plain.append(np.median([abs(row["forecast"] / row["actual"] - 1.0) for row in item["plain"]]))
    assert np.mean(inside) >= 0.8
    assert max(errors) <= 0.02
    assert all(own <= 1.2 * other for own, other in zip(errors, plain, strict=True))
