"""Held-out loss: fixed windows, the mean a hand computation gives, an honest standard error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isoflop.accounting.shape import Shape
from isoflop.lab.evaluation import evaluation_windows, held_out_loss
from isoflop.lab.model import Transformer


def test_windows_are_spread_evenly_and_never_share_a_target() -> None:
    text = np.arange(201, dtype=np.uint8)
    windows = evaluation_windows(text, context=10, count=5)
    assert windows.shape == (5, 11)
    assert windows[0, 0] == 0
    assert windows[-1, -1] == 200
    assert len(np.unique(windows[:, 1:])) == 50


def test_more_windows_than_there_are_gives_all_of_them() -> None:
    assert evaluation_windows(np.zeros(101, dtype=np.uint8), context=10, count=1000).shape == (10, 11)


def test_the_mean_is_that_of_the_training_loss_on_the_same_windows() -> None:
    shape = Shape(layers=1, width=8, heads=1, feedforward=16, vocab=9, context=6)
    model = Transformer(shape, seed=0)
    windows = np.random.default_rng(0).integers(0, 9, (130, 7)).astype(np.uint8)
    whole = held_out_loss(model, windows)
    with torch.no_grad():
        expected = model.loss(torch.from_numpy(windows.astype(np.int64))).item()
    assert whole.mean == pytest.approx(expected, rel=1e-6)


def test_the_standard_error_falls_with_the_root_of_the_windows() -> None:
    shape = Shape(layers=1, width=8, heads=1, feedforward=16, vocab=9, context=6)
    model = Transformer(shape, seed=0)
    windows = np.random.default_rng(0).integers(0, 9, (1600, 7)).astype(np.uint8)
    few, many = held_out_loss(model, windows[:100]), held_out_loss(model, windows)
    assert few.standard_error / many.standard_error == pytest.approx(4.0, rel=0.25)
