"""The transformer: causal, position-aware, seeded, equal in both kinds of attention."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from isoflop.accounting.shape import Shape
from isoflop.lab.model import Transformer

ROTARY = Shape(layers=2, width=16, heads=2, feedforward=64, vocab=30, context=12)
SHAPES = [ROTARY, dataclasses.replace(ROTARY, positions="learned"), dataclasses.replace(ROTARY, tied=True)]


def random_tokens(count: int, length: int, vocab: int) -> torch.Tensor:
    return torch.randint(0, vocab, (count, length), generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("shape", SHAPES)
def test_no_prediction_sees_what_comes_later(shape: Shape) -> None:
    model = Transformer(shape, seed=0)
    tokens = random_tokens(2, 12, 30)
    changed = tokens.clone()
    changed[:, 8:] = (changed[:, 8:] + 1) % 30
    before, after = model(tokens), model(changed)
    assert torch.allclose(before[:, :8], after[:, :8], atol=1e-6)
    assert not torch.allclose(before[:, 8:], after[:, 8:], atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_order_matters(shape: Shape) -> None:
    model = Transformer(shape, seed=0)
    tokens = random_tokens(1, 12, 30)
    swapped = tokens.clone()
    swapped[:, [2, 5]] = tokens[:, [5, 2]]
    assert not torch.allclose(model(tokens)[:, -1], model(swapped)[:, -1], atol=1e-5)


def test_rotary_attention_depends_on_distance_only() -> None:
    model = Transformer(dataclasses.replace(ROTARY, layers=1), seed=0)
    attention = model.blocks[0].attention
    x = torch.randn(1, 4, 16, generator=torch.Generator().manual_seed(0))
    here = attention(x, model.rotation[:4])
    there = attention(x, model.rotation[5:9])
    assert torch.allclose(here, there, atol=1e-5)


def test_both_kinds_of_attention_agree() -> None:
    model = Transformer(ROTARY, seed=0)
    windows = random_tokens(4, 13, 30)
    plain = model.loss(windows)
    with torch.autocast("cpu", torch.bfloat16):
        products = model.loss(windows)
    assert plain.item() == pytest.approx(products.item(), rel=0.01)


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (Transformer(ROTARY, seed).embedding.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_untrained_model_is_near_the_uniform_guess() -> None:
    loss = Transformer(ROTARY, seed=0).loss(random_tokens(64, 13, 30)).item()
    assert math.log(30) - 0.1 < loss < math.log(30) + 1.0
