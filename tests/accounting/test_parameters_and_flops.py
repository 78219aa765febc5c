"""What a shape costs, against torch's own count and against arithmetic done by hand."""

import dataclasses

import pytest

from isoflop.accounting.flops import forward_flops_per_token, six_nd, training_flops, training_flops_per_token
from isoflop.accounting.parameters import count_parameters
from isoflop.accounting.shape import Shape
from isoflop.errors import UsageError

SHAPES = [
    Shape(layers=2, width=64, heads=8, feedforward=256, vocab=96, context=64),
    Shape(layers=1, width=16, heads=1, feedforward=40, vocab=7, context=12),
    Shape(layers=3, width=24, heads=3, feedforward=96, vocab=50, context=32, positions="learned"),
    Shape(layers=2, width=32, heads=4, feedforward=128, vocab=128, context=16, tied=True),
    Shape(layers=2, width=32, heads=4, feedforward=96, vocab=50, context=16, norm="rms", activation="swiglu",
          heads_per_kv=2),
    Shape(layers=2, width=16, heads=2, feedforward=64, vocab=30, context=8, reuse=3),
]  # fmt: skip
LSTM = Shape(layers=2, width=24, heads=1, feedforward=96, vocab=50, context=16, family="lstm")


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_are_those_torch_counts(shape: Shape) -> None:
    pytest.importorskip("torch")
    from isoflop.lab.model import Transformer

    model = Transformer(shape, seed=0)
    assert count_parameters(shape).total == sum(parameter.numel() for parameter in model.parameters())
    in_blocks = sum(parameter.numel() for name, parameter in model.named_parameters() if name.startswith("blocks"))
    final_norm = model.norm.gain.numel()
    assert count_parameters(shape).non_embedding == in_blocks + final_norm


def test_the_recurrent_twin_is_counted_as_torch_counts_it() -> None:
    pytest.importorskip("torch")
    from isoflop.lab.model import build_model

    model = build_model(LSTM, seed=0)
    count = count_parameters(LSTM)
    assert count.total == sum(parameter.numel() for parameter in model.parameters())
    recurrent = {name: parameter for name, parameter in model.named_parameters() if name.startswith("layers")}
    assert count.feedforward == sum(parameter.numel() for parameter in recurrent.values())
    # Every matrix of an LSTM multiplies once per token, which torch's counter cannot see inside the kernel.
    assert forward_flops_per_token(LSTM) == 2 * (count.feedforward + count.unembedding)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"heads_per_kv": 3}, "multiple of heads_per_kv"),
        ({"activation": "relu"}, "use one of gelu, swiglu"),
        ({"family": "lstm"}, "an LSTM has heads=1"),
        ({"reuse": 0}, "at least 1"),
    ],
)
def test_impossible_shapes_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(SHAPES[0], **changed)


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
