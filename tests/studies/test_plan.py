"""Arms, sweeps, budgets and branches: what a study file asks for is what is planned."""

from __future__ import annotations

import pytest

from isoflop.accounting.flops import training_flops
from isoflop.accounting.parameters import count_parameters
from isoflop.errors import InputError, UsageError
from isoflop.runs.spec import RunSpec, TextPart, TextSpec
from isoflop.studies.plan import plan_runs
from isoflop.studies.study import PlannedRun
from isoflop.studies.study_file import parse_study

TEXT = TextSpec("synthetic", "0" * 64, 96, 10_000_000, 500_000)
BASE = """
name = "small"
analysis = "shape"
[text]
source = "synthetic"
[ladder]
widths = [8, 16]
head_width = 8
tokens = ["64k", "128k"]
[training]
context = 32
batch_tokens = 512
[training.learning_rate]
coefficient = 0.25
batch_power = 0.5
[evaluation]
windows = 64
[fit]
"""


def plan(added: str = "", text: TextSpec = TEXT, **replaced: str) -> tuple[PlannedRun, ...]:
    told = BASE
    for old, new in replaced.items():
        told = told.replace(f"{old} = ", f"{new} # ", 1)
    return plan_runs(parse_study(told + added, "study.toml"), text)


def specs(runs: tuple[PlannedRun, ...], arm: str = "") -> list[RunSpec]:
    return [run.spec for run in runs if arm in run.arms]


def test_arms_lay_their_tables_over_those_of_the_study_and_share_equal_runs() -> None:
    runs = plan(
        """
[[arms]]
name = "plain"
[[arms]]
name = "modern"
model = { activation = "swiglu", norm = "rms", tied = true }
training = { optimizer = "muon", schedule = { kind = "cosine" } }
[[arms]]
name = "plain again"
"""
    )
    assert len(runs) == 4 + 4
    assert {run.arms for run in runs} == {("plain", "plain again"), ("modern",)}
    (first, *_) = specs(runs, "modern")
    assert (first.shape.activation, first.shape.norm, first.shape.tied) == ("swiglu", "rms", True)
    assert (first.optimizer.name, first.schedule.kind, first.schedule.warmup) == ("muon", "cosine", 0.02)


def test_an_arm_that_names_one_kind_of_budget_replaces_the_other() -> None:
    runs = plan('[[arms]]\nname = "compute"\nladder = { compute = ["1e9", "3e9"] }\n')
    for spec in specs(runs, "compute"):
        target = min((1e9, 3e9), key=lambda budget: abs(training_flops(spec.shape, spec.tokens) - budget))
        assert training_flops(spec.shape, spec.tokens) == pytest.approx(target, rel=0.1)
    ratio = plan('[[arms]]\nname = "ratio"\nladder = { tokens_per_param = [20.0] }\n')
    for spec in specs(ratio, "ratio"):
        assert spec.tokens == pytest.approx(20 * count_parameters(spec.shape).total, abs=256)


def test_a_sweep_crosses_every_value_with_every_other() -> None:
    runs = plan(
        "[sweep]\nbatch_tokens = [256, 1024]\nlearning_rate_factors = [0.5, 2.0]\nunique_tokens = ['10k', '20k']\n"
        "contexts = [16, 32]\n".replace("'", '"')
    )
    assert len(runs) == 4 * 2 * 2 * 2 * 2
    for run in runs:
        spec, rate = run.spec, 0.25 / run.spec.shape.width
        factor = spec.optimizer.learning_rate / (rate * (spec.batch_tokens / 512) ** 0.5)
        assert min(abs(factor - 0.5), abs(factor - 2.0)) < 1e-9
        assert spec.unique_tokens in (10_000, 20_000)


def test_branches_make_one_run_of_all_budgets_of_a_model() -> None:
    runs = plan('[[arms]]\nname = "branched"\ntraining = { branch = true }\n')
    assert [spec.branches for spec in specs(runs, "branched")] == [(64_000,), (64_000,)]
    assert all(spec.tokens == 128_000 for spec in specs(runs, "branched"))
    separate = sum(run.compute for run in plan())
    assert sum(run.compute for run in runs) == pytest.approx(separate * (128 + 0.2 * 64) / (128 + 64))


def test_seeds_forms_mixtures_and_mup() -> None:
    text = TextSpec("mixture", "0" * 64, 96, 10_000, 500, (TextPart("a", 6_000, 300), TextPart("b", 4_000, 200)))
    runs = plan(
        """[sweep]
mixtures = [[1.0, 3.0]]
[[arms]]
name = "forms"
ladder = { forms = [{ width = 24, layers = 3, heads = 1, feedforward = 40 }], seeds = 3 }
model = { mup_width = 8 }
""",
        text,
    )
    found = specs(runs, "forms")
    assert {spec.seed for spec in found} == {0, 1000, 2000}
    shape = found[0].shape
    assert (shape.width, shape.layers, shape.heads, shape.feedforward) == (24, 3, 1, 40)
    assert found[0].mixture == (1.0, 3.0)
    assert found[0].maximal_update is not None and found[0].maximal_update.base_width == 8
    assert RunSpec.from_dict(found[0].to_dict()) == found[0]


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ('[[arms]]\nname = "x"\nmodel = { activation = "relu" }\n', r"activation='relu'.*'gelu' or 'swiglu'"),
        ('[[arms]]\nname = "x"\ntraining = { optimiser = "muon" }\n', r"optimiser is not a key"),
        ('[[arms]]\nname = "x"\nladder = { widths = [12] }\n', r"arm 'x': ladder\.widths\[0\]=12 must be a multiple"),
        ('[[arms]]\nname = "x"\ntraining = { branch = true, schedule = { kind = "cosine" } }\n', r"stable stretch"),
        ("[sweep]\ncontexts = [48]\n", r"batch_tokens=512 must be a multiple of training\.context=48"),
        ("[[held_out]]\nwidth = 64\ntokens = 100000\n", r"held_out belongs to analysis = 'forecast'"),
        ("[sweep]\nhorizons = [0.5]\n", r"sweep\.horizons\[0\]=0\.5"),
    ],
)
def test_what_arms_and_sweeps_may_not_say_is_named(added: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(added)


def test_an_unknown_analysis_is_named() -> None:
    with pytest.raises(InputError, match="analysis='shapes' is not known: use forecast or one of model-size"):
        parse_study(BASE.replace('"shape"', '"shapes"'), "study.toml")


def test_a_mixture_for_a_text_without_parts_is_refused() -> None:
    with pytest.raises(UsageError, match="mixture"):
        plan("[sweep]\nmixtures = [[0.5, 0.5]]\n")
