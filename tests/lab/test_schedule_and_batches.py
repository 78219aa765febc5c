"""The learning rate and the data of every step: pure functions, checked value by value."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.lab.batches import BatchOrder, MixtureOrder, windows_of_step
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
    windows = windows_of_step(text, BatchOrder(100, 4, 12, seed=0), 2, 4)
    assert windows.shape == (3, 5)
    assert (np.diff(windows.astype(int), axis=1) == 1).all()


def test_too_little_text_is_said() -> None:
    with pytest.raises(UsageError, match="do not fill one context"):
        BatchOrder(tokens=8, context=8, batch_tokens=8, seed=0)


def test_a_cosine_made_for_a_longer_run_is_cut_short() -> None:
    matched = [learning_rate_at(step, 10, 1.0, ScheduleSpec(0.0, 0.0, kind="cosine")) for step in range(10)]
    longer = [learning_rate_at(step, 10, 1.0, ScheduleSpec(0.0, 0.0, kind="cosine", horizon=2.0)) for step in range(20)]
    assert matched == pytest.approx(longer[::2])
    assert longer[9] > 0.5 > matched[9]


def test_a_constant_rate_never_falls_and_warmup_takes_the_longer_of_two() -> None:
    schedule = ScheduleSpec(warmup=0.1, decay=0.2, kind="constant", warmup_steps=4)
    rates = [learning_rate_at(step, 10, 1.0, schedule) for step in range(10)]
    assert rates == [0.25, 0.5, 0.75, *[1.0] * 7]


@pytest.mark.parametrize("changed", [{"kind": "linear"}, {"horizon": 0.5}, {"warmup_steps": -1}, {"decay": 1.5}])
def test_an_impossible_schedule_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="schedule: "):
        ScheduleSpec(**changed)


def test_few_distinct_tokens_are_nested_and_the_same_for_every_seed() -> None:
    def seen(seed: int, unique_tokens: int) -> set[int]:
        order = BatchOrder(10_000, 10, 100, seed, unique_tokens)
        return {int(start) for step in range(order.windows // 10) for start in order.starts(step)}

    assert len(seen(0, 500)) == 50
    assert seen(0, 500) == seen(1, 500)
    assert seen(0, 500) < seen(0, 1000)
    assert max(seen(0, 500)) > 5000, "the subset is not a prefix"


def test_a_mixture_keeps_to_its_weights_and_gives_every_part_epochs_of_its_own() -> None:
    parts = [BatchOrder(1001, 10, 100, seed=0), BatchOrder(2001, 10, 100, seed=1), BatchOrder(501, 10, 100, seed=2)]
    order = MixtureOrder(parts, (0.5, 0.0, 1.5), windows=200, seed=0)
    starts = np.concatenate([order.starts(step) for step in range(20)])
    first, third = starts[starts < 1001], starts[starts >= 3002] - 3002
    assert len(first) + len(third) == 200 and 30 < len(first) < 70
    assert len(set(first)) == len(first), "fewer than an epoch: no window twice"
    assert sorted(third[:50]) == list(range(0, 500, 10)), "the first epoch of a part visits each of its windows once"
    again = MixtureOrder(parts, (0.5, 0.0, 1.5), windows=200, seed=0)
    assert np.array_equal(again.starts(7), order.starts(7))
