"""What a shape costs, against torch's own count and against arithmetic done by hand."""

import pytest

from isoflop.accounting.flops import forward_flops_per_token, six_nd, training_flops, training_flops_per_token
from isoflop.accounting.parameters import count_parameters
from isoflop.accounting.shape import Shape

SHAPES = [
    Shape(layers=2, width=64, heads=8, feedforward=256, vocab=96, context=64),
    Shape(layers=1, width=16, heads=1, feedforward=40, vocab=7, context=12),
    Shape(layers=3, width=24, heads=3, feedforward=96, vocab=50, context=32, positions="learned"),
    Shape(layers=2, width=32, heads=4, feedforward=128, vocab=128, context=16, tied=True),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_are_those_torch_counts(shape: Shape) -> None:
    pytest.importorskip("torch")
    from isoflop.lab.model import Transformer

    model = Transformer(shape, seed=0)
    assert count_parameters(shape).total == sum(parameter.numel() for parameter in model.parameters())
    in_blocks = sum(parameter.numel() for name, parameter in model.named_parameters() if name.startswith("blocks"))
    final_norm = model.norm.gain.numel()
    assert count_parameters(shape).non_embedding == in_blocks + final_norm


def test_blocks_of_four_widths_hold_twelve_l_d_squared() -> None:
    count = count_parameters(SHAPES[0])
    assert count.attention + count.feedforward == 12 * 2 * 64**2


def test_flops_by_hand() -> None:
    shape = Shape(layers=2, width=8, heads=1, feedforward=32, vocab=10, context=4)
    projections, mixing, feedforward, logits = 8 * 8 * 8, 4 * 4 * 8, 4 * 8 * 32, 2 * 10 * 8
    assert forward_flops_per_token(shape) == 2 * (projections + mixing + feedforward) + logits
    assert training_flops_per_token(shape) == 3 * forward_flops_per_token(shape)
    assert training_flops(shape, 1e6) == 1e6 * training_flops_per_token(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_flops_are_those_torch_counts(shape: Shape) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from isoflop.lab.model import Transformer

    tokens = torch.zeros((3, shape.context), dtype=torch.int64)
    # Under bfloat16 attention is made of plain products, which the counter sees; the fused kernel hides its own.
    casting = torch.autocast("cpu", torch.bfloat16)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), casting:
        Transformer(shape, seed=0)(tokens)
    assert counter.get_total_flops() == forward_flops_per_token(shape) * tokens.numel()


def test_six_nd_of_chinchilla() -> None:
    assert six_nd(70e9, 1.4e12) == pytest.approx(5.88e23)


def test_large_models_approach_six_nd() -> None:
    shape = Shape(layers=80, width=8192, heads=64, feedforward=32768, vocab=32000, context=2048)
    params = count_parameters(shape)
    six = six_nd(params.non_embedding + params.unembedding, 1.0)
    attention_and_logits = training_flops_per_token(shape) / six
    assert 1.0 < attention_and_logits < 1.05
