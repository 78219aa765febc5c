"""Memory of states and activations, layouts, caches: numbers of the papers that define them."""

import pytest

from isoflop.accounting.activations import (
    RECOMPUTATIONS,
    activation_bytes_per_layer,
    attention_factor,
    attention_share,
    recomputation_factor,
)
from isoflop.accounting.decoding import cache_bytes_per_token, decode, weights_read
from isoflop.accounting.hardware import find_device
from isoflop.accounting.layout import Layout, device_memory, layouts_that_fit
from isoflop.accounting.memory import FULL_PRECISION_GRADIENTS, ZERO_STAGES, state_bytes_per_device
from isoflop.accounting.parameters import count_architecture
from isoflop.errors import UsageError
from tests.accounting.models import GPT_3, LLAMA_2_70B, MIXTRAL, MT_NLG

UNIT = 2048 * 12288  # s b h of GPT-3 with one sequence


def test_zero_of_rajbhandari_figure_1() -> None:
    gigabytes = [round(state_bytes_per_device(7.5e9, 64, stage) / 1e9, 1) for stage in ZERO_STAGES]
    assert gigabytes == [120.0, 31.4, 16.6, 1.9]


def test_a_trillion_parameters_are_sixteen_terabytes() -> None:
    assert state_bytes_per_device(1e12, 1, 0) == 16e12
    assert state_bytes_per_device(1e12, 1024, 3) / 1e9 == pytest.approx(15.6, abs=0.05)


def test_deepspeed_counts_eighteen_bytes() -> None:
    assert state_bytes_per_device(1e9, 1, 3, FULL_PRECISION_GRADIENTS) == 18e9
    assert state_bytes_per_device(1e9, 4, 1, FULL_PRECISION_GRADIENTS) == 6e9 + 3e9


@pytest.mark.parametrize("stage", ZERO_STAGES)
def test_one_rank_holds_everything_at_every_stage(stage: int) -> None:
    assert state_bytes_per_device(3e9, 1, stage) == 48e9  # type: ignore[arg-type]


def test_unknown_stages_and_no_ranks_are_refused() -> None:
    with pytest.raises(UsageError, match="0, 1, 2, 3"):
        state_bytes_per_device(1e9, 1, 4)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="ranks=0"):
        state_bytes_per_device(1e9, 0, 1)


def test_attention_factor_of_korthikanti() -> None:
    assert attention_factor(GPT_3) == 80
    assert attention_factor(MT_NLG) == 64


def test_activations_of_table_2() -> None:
    def units(**how: object) -> float:
        return activation_bytes_per_layer(GPT_3, 1, **how) / UNIT  # type: ignore[arg-type]

    assert units() == 34 + 80
    assert units(tensor=8) == 10 + 24 / 8 + 80 / 8
    assert units(tensor=8, sequence_parallel=True) == (34 + 80) / 8
    assert units(tensor=8, sequence_parallel=True, recomputation="selective") == 34 / 8
    assert units(tensor=8, recomputation="selective") == 10 + 24 / 8
    assert units(recomputation="full") == 2
    assert activation_bytes_per_layer(GPT_3, 4) == 4 * activation_bytes_per_layer(GPT_3, 1)
    # section 5: selective recomputation saves 70 % of GPT-3 and 65 % of MT-NLG
    assert 80 / units() == pytest.approx(0.70, abs=0.005)
    assert 64 / (34 + 64) == pytest.approx(0.65, abs=0.005)


def test_recomputation_costs_flop() -> None:
    assert attention_share(GPT_3) == pytest.approx(0.027, abs=5e-4)
    assert attention_share(MT_NLG) == pytest.approx(0.016, abs=5e-4)
    factors = [recomputation_factor(GPT_3, name) for name in RECOMPUTATIONS]
    assert factors[0] == 1
    assert factors[1] == pytest.approx(1 + 0.027 / 3, abs=3e-4)
    assert factors[2] == pytest.approx(4 / 3, abs=3e-3)


def test_bad_ways_of_keeping_activations_are_refused() -> None:
    with pytest.raises(UsageError, match="none, selective, full"):
        activation_bytes_per_layer(GPT_3, 1, recomputation="some")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="sequences=0"):
        activation_bytes_per_layer(GPT_3, 0)


def test_bubble_of_a_pipeline() -> None:
    assert Layout(pipeline=8, microbatches=64).bubble == 7 / 64
    assert Layout(data=8, microbatches=4).bubble == 0
    assert Layout(tensor=8, pipeline=4, data=2, microbatches=16).devices == 64
    with pytest.raises(UsageError, match="pipeline=0"):
        Layout(pipeline=0)


def test_a_device_holds_its_share_of_gpt_3() -> None:
    layout = Layout(tensor=8, pipeline=8, data=2, microbatches=64, zero_stage=1)
    held = device_memory(GPT_3, layout)
    share = count_architecture(GPT_3).total / 64
    assert held.states == share * (4 + 12 / 2)
    # The first stage keeps eight microbatches of its twelve layers, as much as all layers of one.
    assert held.activations == 96 * 34 * UNIT / 8
    assert held.total == held.states + held.activations
    with pytest.raises(UsageError, match="pipeline=7 must divide layers=96"):
        device_memory(GPT_3, Layout(pipeline=7))
    with pytest.raises(UsageError, match="tensor=5 must divide heads=96"):
        device_memory(GPT_3, Layout(tensor=5))


def test_layouts_that_fit_do_fit_and_the_best_idles_least() -> None:
    found = layouts_that_fit(GPT_3, 512, 1536, 80e9)
    assert found
    for layout in found:
        assert layout.devices == 512 and layout.batch_sequences == 1536 and layout.tensor <= 8
        assert device_memory(GPT_3, layout).total <= 80e9
    assert found[0].bubble == min(layout.bubble for layout in found)
    assert layouts_that_fit(GPT_3, 8, 1536, 80e9) == ()


def test_cache_of_grouped_queries() -> None:
    assert cache_bytes_per_token(LLAMA_2_70B) == 2 * 80 * 8 * 128 * 2
    # one key head for each query head, 96 layers: 4.7 MB a token
    assert cache_bytes_per_token(GPT_3) == pytest.approx(4.7e6, rel=5e-3)


def test_one_sequence_is_read_at_the_speed_of_memory() -> None:
    h100 = find_device("h100")
    step = decode(LLAMA_2_70B, h100, devices=2, cached_tokens=1)
    assert step.bound == "memory"
    read = count_architecture(LLAMA_2_70B).total - 32000 * 8192
    assert step.tokens_per_second == pytest.approx(2 * 3.35e12 / (2 * read), rel=1e-4)


def test_a_large_batch_is_bound_by_arithmetic() -> None:
    h100 = find_device("h100")
    step = decode(LLAMA_2_70B, h100, devices=8, batch=2048, cached_tokens=1)
    assert step.bound == "arithmetic"
    assert step.seconds == step.flops / (8 * 989e12)
    with pytest.raises(UsageError, match="batch=0"):
        decode(LLAMA_2_70B, h100, batch=0, cached_tokens=1)


def test_a_batch_visits_more_experts() -> None:
    count = count_architecture(MIXTRAL)
    embedding = 32000 * 4096
    assert weights_read(MIXTRAL, 1) == pytest.approx(count.active - embedding)
    assert weights_read(MIXTRAL, 10_000) == pytest.approx(count.total - embedding)
    assert weights_read(GPT_3, 1) == count_architecture(GPT_3).total - 2048 * 12288
