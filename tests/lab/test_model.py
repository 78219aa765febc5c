"""The transformer: causal, position-aware, seeded, equal in both kinds of attention."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from isoflop.accounting.shape import Shape
from isoflop.lab.model import Transformer, build_model
from isoflop.runs.spec import MaximalUpdate

ROTARY = Shape(layers=2, width=16, heads=2, feedforward=64, vocab=30, context=12)
LSTM = Shape(layers=2, width=16, heads=1, feedforward=64, vocab=30, context=12, family="lstm")
SHAPES = [
    ROTARY,
    dataclasses.replace(ROTARY, positions="learned"),
    dataclasses.replace(ROTARY, tied=True),
    dataclasses.replace(ROTARY, norm="rms", activation="swiglu", heads_per_kv=2),
    dataclasses.replace(ROTARY, layers=1, reuse=3),
    LSTM,
]


def random_tokens(count: int, length: int, vocab: int) -> torch.Tensor:
    return torch.randint(0, vocab, (count, length), generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("shape", SHAPES)
def test_no_prediction_sees_what_comes_later(shape: Shape) -> None:
    model = build_model(shape, seed=0)
    tokens = random_tokens(2, 12, 30)
    changed = tokens.clone()
    changed[:, 8:] = (changed[:, 8:] + 1) % 30
    before, after = model(tokens), model(changed)
    assert torch.allclose(before[:, :8], after[:, :8], atol=1e-6)
    assert not torch.allclose(before[:, 8:], after[:, 8:], atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_order_matters(shape: Shape) -> None:
    model = build_model(shape, seed=0)
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


def test_grouped_queries_are_full_attention_with_repeated_keys_and_values() -> None:
    grouped = Transformer(dataclasses.replace(ROTARY, heads_per_kv=2), seed=0)
    full = Transformer(ROTARY, seed=0)
    full.load_state_dict({**full.state_dict(), **{k: v for k, v in grouped.state_dict().items() if "query" not in k}})
    for block, other in zip(full.blocks, grouped.blocks, strict=True):
        query, key, value = other.attention.query_key_value.weight.split([16, 8, 8])
        block.attention.query_key_value.weight.data = torch.cat([query, key, key, value, value])
    tokens = random_tokens(3, 12, 30)
    assert torch.allclose(full(tokens), grouped(tokens), atol=1e-5)


def test_a_gate_is_the_product_of_two_projections() -> None:
    network = Transformer(dataclasses.replace(ROTARY, activation="swiglu"), seed=0).blocks[0].feedforward
    x = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0))
    gate = x @ network.gate.weight.T
    by_hand = (gate * torch.sigmoid(gate) * (x @ network.expand.weight.T)) @ network.contract.weight.T
    assert torch.allclose(network(x), by_hand, atol=1e-5)


def test_reused_layers_are_the_same_layers_in_a_row() -> None:
    reused = Transformer(dataclasses.replace(ROTARY, layers=1, reuse=2), seed=0)
    unrolled = Transformer(ROTARY, seed=0)
    state = reused.state_dict()
    copies = {key.replace("blocks.0", "blocks.1"): value for key, value in state.items() if "blocks.0" in key}
    unrolled.load_state_dict({**state, **copies})
    tokens = random_tokens(3, 12, 30)
    assert torch.allclose(reused(tokens), unrolled(tokens), atol=1e-6)


def test_under_mup_updates_of_every_width_move_the_logits_alike() -> None:
    """After some steps at one rate, standard models of other widths differ more in how far they went than muP's."""
    from isoflop.lab.optimizer import build_optimizer
    from isoflop.runs.spec import OptimizerSpec

    def moved(width: int, update: MaximalUpdate | None) -> float:
        shape = Shape(layers=2, width=width, heads=width // 8, feedforward=4 * width, vocab=30, context=12)
        model, windows = build_model(shape, 0, update), random_tokens(8, 13, 30)
        optimizer = build_optimizer(model, OptimizerSpec(3e-2, weight_decay=0.0), update)
        optimizer.set_learning_rate(3e-2)
        before = model(windows[:, :-1]).detach()
        for _ in range(3):
            optimizer.zero_grad()
            model.loss(windows).backward()
            optimizer.step()
        return (model(windows[:, :-1]).detach() - before).square().mean().sqrt().item()

    mup = MaximalUpdate(base_width=16, base_head_width=8)
    assert moved(16, mup) == pytest.approx(moved(16, None))
    spread = {update: moved(128, update) / moved(16, update) for update in (None, mup)}
    assert spread[None] > 2.0
    assert spread[mup] < 1.5
