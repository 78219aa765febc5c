"""Parameters of published models, to the parameter where the weights are public."""

import pytest

from isoflop.accounting.architecture import Architecture, Experts, architecture_of
from isoflop.accounting.conventions import forward_flops_of
from isoflop.accounting.flops import forward_flops_per_token
from isoflop.accounting.parameters import count_architecture, count_parameters
from isoflop.errors import UsageError
from tests.accounting.models import GPT_3, LLAMA_2_70B, LLAMA_3_8B, MIXTRAL, PALM
from tests.accounting.test_parameters_and_flops import SHAPES


def test_parameters_of_public_weights() -> None:
    # num_parameters of the checkpoints that Meta and Mistral AI publish
    assert count_architecture(LLAMA_2_70B).total == 68_976_648_192
    assert count_architecture(LLAMA_3_8B).total == 8_030_261_248
    assert count_architecture(MIXTRAL).total == 46_702_792_704


def test_a_token_visits_two_of_eight_experts() -> None:
    count = count_architecture(MIXTRAL)
    assert count.active == pytest.approx(12.88e9, rel=1e-3)
    assert count.total - count.active == 6 * 32 * 3 * 4096 * 14336
    assert count.active_non_embedding == count.active - 2 * 32000 * 4096


def test_parameters_as_papers_state_them() -> None:
    assert count_architecture(PALM).total == pytest.approx(540.35e9, rel=1e-4)
    assert count_architecture(GPT_3).total == pytest.approx(174.6e9, rel=1e-3)


def test_shared_experts_and_dense_layers_are_counted_once() -> None:
    experts = Experts(count=4, per_token=1, feedforward=16, shared=1, dense_layers=1)
    model = Architecture(3, 8, 2, 1, 4, 32, 10, 4, experts=experts)
    count = count_architecture(model)
    assert count.feedforward == 2 * 8 * 32 + 2 * (4 + 1) * 2 * 8 * 16
    assert count.idle == 2 * 3 * 2 * 8 * 16
    assert count.routers == 2 * 8 * 4
    assert forward_flops_of(model).feedforward == 2 * (2 * 8 * 32 + 2 * (1 + 1) * 2 * 8 * 16)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.reuse == 1])
def test_a_shape_and_its_architecture_agree(shape) -> None:  # type: ignore[no-untyped-def]
    architecture = architecture_of(shape)
    assert count_architecture(architecture) == count_parameters(shape)
    assert forward_flops_of(architecture).products == forward_flops_per_token(shape)


def test_impossible_architectures_are_refused() -> None:
    with pytest.raises(UsageError, match="heads=6 must be a multiple of kv_heads=4"):
        Architecture(1, 48, 6, 4, 8, 64, 10, 4)
    with pytest.raises(UsageError, match="layers=0"):
        Architecture(0, 48, 6, 6, 8, 64, 10, 4)
    with pytest.raises(UsageError, match="per_token=3"):
        Experts(count=2, per_token=3, feedforward=8)
    with pytest.raises(UsageError, match="dense_layers=2"):
        Architecture(1, 8, 1, 1, 8, 8, 10, 4, experts=Experts(2, 1, 8, dense_layers=2))


def test_what_an_architecture_cannot_say_is_refused() -> None:
    (reused,) = (shape for shape in SHAPES if shape.reuse > 1)
    with pytest.raises(UsageError, match="only a plain transformer"):
        architecture_of(reused)
