"""The learning rate and the data of every step: pure functions, checked value by value."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.lab.batches import BatchOrder, windows_of_step
from isoflop.lab.schedule import learning_rate_at
from isoflop.runs.spec import ScheduleSpec


def test_every_value_of_a_short_schedule() -> None:
    schedule = ScheduleSpec(warmup=0.2, decay=0.4, final=0.1)
    rates = [learning_rate_at(step, 10, 2.0, schedule) for step in range(10)]
    assert rates == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.55, 1.1, 0.65])


def test_without_warmup_and_decay_the_rate_is_constant() -> None:
    schedule = ScheduleSpec(warmup=0.0, decay=0.0)
    assert {learning_rate_at(step, 7, 0.5, schedule) for step in range(7)} == {0.5}


@pytest.mark.parametrize("steps", [1, 3, 97, 1000])
def test_the_rate_is_positive_and_at_most_the_peak(steps: int) -> None:
    rates = np.array([learning_rate_at(step, steps, 0.3, ScheduleSpec()) for step in range(steps)])
    assert (rates > 0).all()
    assert rates.max() == pytest.approx(0.3)


def test_an_epoch_visits_every_window_once_then_in_another_order() -> None:
    order = BatchOrder(tokens=1 + 10 * 24, context=10, batch_tokens=40, seed=3)
    first = np.concatenate([order.starts(step) for step in range(6)])
    second = np.concatenate([order.starts(step) for step in range(6, 12)])
    assert sorted(first) == sorted(second) == list(range(0, 240, 10))
    assert list(first) != list(second)


def test_a_step_gets_the_same_windows_whatever_was_asked_before() -> None:
    fresh = BatchOrder(tokens=1000, context=8, batch_tokens=64, seed=5)
    used = BatchOrder(tokens=1000, context=8, batch_tokens=64, seed=5)
    for step in range(100):
        used.starts(step)
    for step in (0, 15, 16, 99):
        assert np.array_equal(fresh.starts(step), used.starts(step))
    other = BatchOrder(tokens=1000, context=8, batch_tokens=64, seed=6)
    assert not np.array_equal(fresh.starts(0), other.starts(0))


def test_a_batch_may_span_two_epochs() -> None:
    order = BatchOrder(tokens=31, context=10, batch_tokens=20, seed=0)
    both = np.concatenate([order.starts(step) for step in range(3)])
    assert sorted(both) == [0, 0, 10, 10, 20, 20]


def test_windows_are_the_text_itself() -> None:
    text = np.arange(100, dtype=np.uint8)
    windows = windows_of_step(text, BatchOrder(100, 4, 12, seed=0), 2)
    assert windows.shape == (3, 5)
    assert (np.diff(windows.astype(int), axis=1) == 1).all()


def test_too_little_text_is_said() -> None:
    with pytest.raises(UsageError, match="do not fill one context"):
        BatchOrder(tokens=8, context=8, batch_tokens=8, seed=0)
