"""Plans from outside: what binds, what cannot be had, what surrounds them, and where their intervals come from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isoflop
from isoflop.accounting.cost import Tariff
from isoflop.errors import InputError, UsageError
from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.fitting.published_fit import published_fit
from isoflop.planning.budget import Accounting
from isoflop.planning.planner import Style, plan
from isoflop.quantities import Estimate

BESIROGLU = "published:besiroglu2024"


def holds(estimate: Estimate) -> bool:
    return estimate.low is not None and estimate.high is not None and estimate.low < estimate.value < estimate.high


def codes(made: isoflop.Plan) -> set[str]:
    return {finding.code for finding in made.findings}


def test_every_number_has_its_interval(ladder: Fit) -> None:
    made = plan(ladder, compute=1e22, gpus="512xh100")
    assert all(map(holds, (made.params, made.tokens, made.tokens_per_param, made.loss)))
    assert made.compute == Estimate(pytest.approx(1e22), pytest.approx(1e22), pytest.approx(1e22))
    assert made.params.value == pytest.approx(isoflop.forecast(ladder, compute=1e22).points[0].params, rel=1e-5)
    assert made.regret is not None and 0 <= made.regret.middle <= made.regret.high < 0.2
    for item in made.alternatives:
        assert holds(item.loss)
    assert not made.refused and made.binding == ("compute: 1e22 FLOP",)


def test_hours_dollars_and_energy_carry_the_interval_of_the_compute(ladder: Fit) -> None:
    made = plan(ladder, target_loss=2.12, gpus="512xh100")
    assert holds(made.compute)
    for name in ("gpu_hours", "days", "cost_usd", "energy_mwh"):
        estimate = made.scaled[name]
        assert holds(estimate)
        assert estimate.high / estimate.value == pytest.approx(made.compute.high / made.compute.value)
    assert made.scaled["days"].value == pytest.approx(made.scaled["gpu_hours"].value / 512 / 24)


def test_the_json_object_has_the_promised_keys(ladder: Fit, tmp_path: Path) -> None:
    made = plan(ladder, compute=1e22)
    record = made.to_dict()
    promised = {"schema", "params", "tokens", "loss", "compute", "gpu_hours", "days", "cost_usd", "energy_mwh"}
    assert promised | {"memory", "shape", "alternatives", "warnings"} <= set(record)
    assert record["schema"] == "isoflop.plan/1"
    for name in ("params", "tokens", "loss"):
        assert set(record[name]) == {"value", "low", "high"}
    for name in ("compute", "gpu_hours", "days", "cost_usd", "energy_mwh"):
        assert isinstance(record[name], float)
    made.save(tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["params"] == record["params"]
    assert "<table>" in made._repr_html_() and "tabular" in made.to_latex() and len(made.to_pandas()) > 5
    assert "parameters on" in str(made)


@pytest.mark.parametrize(
    ("asked", "flops", "binding"),
    [
        ({"compute": "1e22 FLOP"}, 1e22, "compute"),
        ({"compute": "100 PF-days"}, 8.64e21, "compute"),
        ({"cost": "$1M", "gpu": "h100"}, 5e5 * 3600 * 989e12 * 0.4, "cost"),
        ({"gpus": "8xh100", "time": "30 days"}, 8 * 720 * 3600 * 989e12 * 0.4, "time"),
        ({"gpus": "8xh100", "time": 30 * 86400.0, "cost": 1000}, 500 * 3600 * 989e12 * 0.4, "cost"),
        ({"energy": "700 MWh", "gpu": "h100"}, 1e6 / 1.1 * 3600 * 989e12 * 0.4, "energy"),
        ({"compute": 1e30, "cost": "$2"}, 3600 * 989e12 * 0.4, "cost"),
    ],
)
def test_budgets_of_every_kind(asked: dict[str, Any], flops: float, binding: str) -> None:
    made = plan(BESIROGLU, **asked, accounting=Accounting(mfu=0.4, tariff=Tariff(price=2.0)))
    assert made.compute.value == pytest.approx(flops, rel=1e-9)
    assert made.binding[0].startswith(binding)


def test_the_size_that_is_optimal_needs_no_budget() -> None:
    made = plan("published:hoffmann2022-approach1", params="10T")
    assert made.tokens.value == pytest.approx(216.2e12, rel=2e-3)
    assert made.loss.to_dict()["value"] is None
    assert "text-stock" in codes(made)
    (finding,) = (finding for finding in made.findings if finding.code == "text-stock")
    assert finding.severity == "warn" and "300T" in finding.message and "100T" in finding.message
    assert plan(BESIROGLU, tokens="15T").tokens.value == pytest.approx(15e12, rel=1e-5)


def test_a_given_size_or_both_given() -> None:
    size = plan(BESIROGLU, params="8B", compute=1e24)
    assert size.tokens.value == pytest.approx(1e24 / 48e9) and "params, given" in size.binding
    assert any(item.why == "size and tokens free" and item.loss_change.value < 0 for item in size.alternatives)
    both = plan(BESIROGLU, params="8B", tokens="15T")
    assert both.compute.value == pytest.approx(7.2e23)
    assert plan(BESIROGLU, params="8B", target_loss=2.05).loss.value == pytest.approx(2.05, rel=1e-9)


def test_limits_by_size_device_and_latency() -> None:
    named = plan(BESIROGLU, compute=1e24, max_params="7B")
    assert named.params.value == pytest.approx(7e9) and "max_params: at most 7B" in named.binding[1]
    assert any(item.why == "without max_params" and item.loss_change.value < 0 for item in named.alternatives)
    held = plan(BESIROGLU, compute=1e24, serve_on="1xh100", serve_bits=8)
    assert held.params.value == pytest.approx(0.9 * 80e9)
    assert "serving memory of 1 × h100 at 8 bits" in held.binding[1]
    fast = plan(BESIROGLU, compute=1e24, serve_on="1xh100", serve_bits=8, latency="5ms")
    assert fast.params.value == pytest.approx(0.005 * 3.35e12) and "latency of 5 ms" in fast.binding[1]
    assert plan(BESIROGLU, compute=1e20, max_params="7B").binding == ("compute: 1e20 FLOP",)


def test_served_tokens_shrink_the_model_and_save_in_all() -> None:
    plain, served = (plan(BESIROGLU, compute=5.76e23, serve_tokens=tokens) for tokens in (None, "10T"))
    assert served.params.value < 0.5 * plain.params.value
    assert served.compute.value == pytest.approx(plain.compute.value)
    assert served.serving is not None and 0.05 < served.serving.saved < 0.5
    assert served.serving.compute == pytest.approx(2 * served.params.value * 1e13)
    lifetime = plan(BESIROGLU, compute=5.76e23, serve_tokens="10T", budget_covers="lifetime")
    total = lifetime.compute.value + 2 * lifetime.params.value * 1e13
    assert total == pytest.approx(5.76e23, rel=1e-6)
    slow = plan(BESIROGLU, compute=5.76e23, serve_tokens="10T", serve_mfu=0.05)
    assert slow.params.value < served.params.value
    assert "serve-mfu-assumed" in codes(served) and "serve-mfu-assumed" not in codes(slow)


def test_serving_elsewhere_is_weighed_by_its_price() -> None:
    near = plan(BESIROGLU, compute=1e23, gpu="h100", serve_tokens="1T", serve_mfu=0.3)
    far = plan(BESIROGLU, compute=1e23, gpu="h100", serve_tokens="1T", serve_mfu=0.3, serve_on="8xa100")
    assert far.serving is not None and near.serving is not None
    assert far.serving.gpu_hours == pytest.approx(far.serving.compute / (312e12 * 0.3 * 3600), rel=1e-9)
    ratio = (989e12 / 312e12) * np.sqrt(1.57 * 5.12) / np.sqrt(2.45 * 12.29)
    weighed = far.serving.lifetime_compute - far.compute.value
    used = far.cost.mfu / 0.3
    assert weighed / far.serving.compute == pytest.approx(ratio * used, rel=1e-9)


def test_few_tokens_and_serving_together_with_intervals(ladder: Fit) -> None:
    """No public tool does this: repeated data, serving and draws at once."""
    made = plan(ladder, compute=1e22, unique_tokens="20B", serve_tokens="1T")
    assert all(map(holds, (made.params, made.tokens, made.loss)))
    assert made.data is not None and made.data.epochs > 4 and 0 < made.data.kept < 1
    assert made.serving is not None
    fresh = plan(ladder, compute=1e22, serve_tokens="1T")
    assert made.loss.value > fresh.loss.value
    assert {"repetition-assumed", "serve-mfu-assumed"} <= codes(made)
    assert any(item.why == "fresh tokens alone" for item in made.alternatives)
    once = plan(ladder, compute=1e22, unique_tokens="20B", max_epochs=2)
    assert once.tokens.value <= 40e9 * (1 + 1e-9) and "max_epochs" in once.binding[1]


def test_a_law_that_holds_repeats_uses_its_own() -> None:
    made = plan("published:muennighoff2023", compute=9.27e21, unique_tokens="25B")
    assert "repetition-assumed" not in codes(made)
    assert made.data is not None and made.data.decay == pytest.approx(15.387756)
    fresh = next(item for item in made.alternatives if item.why == "fresh tokens alone")
    assert fresh.loss.value - made.loss.value == pytest.approx(fresh.loss_change.value, rel=1e-9)


@pytest.mark.parametrize(
    ("asked", "binds", "nearest"),
    [
        ({"target_loss": 1.7}, "never reaches a loss of 1.7", ("loss", 1.75, 1.9)),
        ({"target_loss": 1.95, "compute": 1e23}, "compute binds", ("compute", 0.99e23, 1.01e23)),
        ({"target_loss": 1.9, "max_params": "7B"}, "max_params", ("loss", 1.89, 1.901)),
        ({"params": "70B", "max_params": "7B", "compute": 1e24}, "max_params", ("params", 6.9e9, 7.1e9)),
        ({"params": "70B", "tokens": "2T", "compute": 1e23}, "compute binds", ("compute", 0.99e23, 1.01e23)),
        ({"params": "1B", "tokens": "20B", "target_loss": 2.0}, "params and tokens bind", ("params", 0.99e9, 1.01e9)),
        (
            {"tokens": "2T", "unique_tokens": "100B", "max_epochs": 4, "compute": 1e24},
            "max_epochs",
            ("tokens", 3.99e11, 4.01e11),
        ),
        ({"target_loss": 1.9, "unique_tokens": "10B"}, "unique_tokens", ("loss", 1.89, 1.901)),
        ({"params": "70B", "serve_on": "1xa100", "compute": 1e24}, "serving memory", ("params", 3.5e10, 3.7e10)),
    ],
)
def test_what_cannot_be_had_names_what_binds_and_the_nearest(
    asked: dict[str, Any], binds: str, nearest: tuple[str, float, float]
) -> None:
    made = plan(BESIROGLU, **asked)
    (finding,) = (finding for finding in made.findings if finding.code == "infeasible")
    assert made.refused and finding.severity == "refuse"
    assert binds in finding.message and "The nearest plan is" in finding.message
    quantity, low, high = nearest
    assert low < getattr(made, quantity).value < high


def test_sparsity_is_chosen_and_costs_what_is_active() -> None:
    made = plan("published:abnar2025", compute=1e21, at={"sparsity": [0.0, 0.5, 0.9]})
    assert made.others == {"sparsity": 0.9}
    assert 6 * 0.1 * made.params.value * made.tokens.value == pytest.approx(1e21)
    assert made.cost.active_params == pytest.approx(0.1 * made.params.value)
    assert made.shape is None and "no-shape" in codes(made)
    others = {item.why: item for item in made.alternatives if item.why.startswith("sparsity")}
    assert set(others) == {"sparsity 0", "sparsity 0.5"}
    assert all(item.loss_change.value > 0 and item.compute == pytest.approx(1e21) for item in others.values())


def test_precision_costs_its_bits() -> None:
    """Halving the bits of weights and activations halves the cost; too few lose more than they save."""
    law = isoflop.find_law("kumar")
    theta = np.array([1.8, 480.0, 2000.0, 0.35, 0.366, 2.5, 2.5, 2.5])
    fit = replace(published_fit("besiroglu2024"), law=law, theta=theta)
    fit = replace(fit, ensemble=isoflop.Ensemble(law.parameter_names, theta[None], "none"))
    names = ("bits_weights", "bits_activations", "bits_cache")
    eight, sixteen = (plan(fit, compute=1e20, at=dict.fromkeys(names, bits)) for bits in (8, 16))
    assert 3 * eight.params.value * eight.tokens.value == pytest.approx(1e20)
    assert 6 * sixteen.params.value * sixteen.tokens.value == pytest.approx(1e20)
    assert eight.loss.value < sixteen.loss.value
    assert "bits-counted" in codes(eight) and "bits-counted" not in codes(sixteen)
    chosen = plan(fit, compute=1e20, at={"bits_weights": [1, 3, 16], "bits_activations": [1, 3, 16], "bits_cache": 16})
    assert chosen.others == {"bits_weights": 3.0, "bits_activations": 3.0, "bits_cache": 16.0}


def test_a_frontier_is_planned_with_along_itself(slices: FrontierFit, ladder: Fit) -> None:
    made = plan(slices, compute=1e22)
    assert holds(made.params) and holds(made.tokens)
    assert made.params.value == pytest.approx(plan(ladder, compute=1e22).params.value, rel=0.2)
    reached = plan(slices, target_loss=made.loss.value)
    assert reached.compute.value == pytest.approx(1e22, rel=1e-6)
    assert plan(slices, params=made.params.value).compute.value == pytest.approx(1e22, rel=1e-6)
    assert not made.refused and plan(slices, compute=1e24).refused
    short = plan(slices, target_loss=made.loss.value, compute=1e21)
    assert short.refused and "compute binds" in short.findings[0].message
    with pytest.raises(UsageError, match="leave out max_params"):
        plan(slices, compute=1e22, max_params=1e9)
    with pytest.raises(UsageError, match="has no law of the loss"):
        plan("published:hoffmann2022-approach2", target_loss=2.0)


def test_published_constants_carry_no_interval_and_say_so() -> None:
    made = plan(BESIROGLU, compute=1e22)
    for estimate in (made.params, made.tokens, made.loss, made.compute):
        assert estimate.low is None and estimate.high is None
    assert "published-constants" in codes(made) and made.regret is None


def test_far_beyond_the_data_is_refused_as_a_forecast_is(ladder: Fit) -> None:
    assert plan(ladder, compute=1e25).refused
    assert {"far-extrapolation", "ratio-outside-data"} & codes(plan(ladder, compute=1e22, params=1e8))


def test_what_is_assumed_is_said() -> None:
    made = plan(BESIROGLU, compute=1e24)
    assert {"device-assumed", "devices-assumed", "mfu-assumed", "price-assumed", "recipe-outside"} <= codes(made)
    told = plan(BESIROGLU, compute=1e24, gpus="1024xb200", accounting=Accounting(mfu=0.4, tariff=Tariff(price=3.0)))
    assert not {"device-assumed", "devices-assumed", "mfu-assumed", "price-assumed"} & codes(told)
    small = plan(BESIROGLU, compute=1e14, gpus="8xh100")
    assert small.shape is None and "no-shape" in codes(small)
    shaped = plan(BESIROGLU, compute=1e14, gpus="8xh100", style=Style(vocab=256, context=256))
    assert shaped.shape is not None and abs(shaped.shape.miss) < 0.1
    huge = plan(BESIROGLU, compute=1e24, gpus="8xh100")
    assert "no-layout" in codes(huge) and huge.layout is None


def test_recipes_stand_side_by_side_the_chosen_one_first() -> None:
    for rule in ("step-law", "deepseek", "kaplan"):
        made = plan(BESIROGLU, compute=1e22, style=Style(rule=rule))
        assert made.recipe is not None and made.recipe.rule == rule
        assert {one.rule for one in made.recipes} == {"step-law", "deepseek", "kaplan"}


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({}, "Nothing says what to spend"),
        ({"compute": -1.0}, "compute=-1.0 must be a number above zero"),
        ({"compute": float("nan")}, "compute=nan"),
        ({"compute": 1e-3}, "too few for any model"),
        ({"cost": 1e-20, "gpu": "h100"}, "too few for any model"),
        ({"compute": "30 days"}, "compute='30 days'"),
        ({"cost": "2 h100"}, "cost='2 h100'"),
        ({"time": "30 days"}, "needs a number of devices"),
        ({"compute": 1e22, "gpus": "8xh1000"}, "h1000"),
        ({"compute": 1e22, "gpus": "8xh100", "gpu": "a100"}, "different devices"),
        ({"cost": 1e6, "gpu": "tpu-v5p"}, "no price of tpu-v5p"),
        ({"energy": 100, "gpu": "tpu-v5p"}, "power of tpu-v5p"),
        ({"energy": "100 days"}, "energy='100 days'"),
        ({"compute": 1e22, "max_epochs": 4.0}, "unique_tokens"),
        ({"compute": 1e22, "unique_tokens": 1e9, "max_epochs": 0.5}, "at least 1"),
        ({"compute": 1e22, "budget_covers": "lifetime"}, "serve_tokens"),
        ({"compute": 1e22, "budget_covers": "all"}, "training, lifetime"),
        ({"compute": 1e22, "serve_tokens": 1e9, "serve_mfu": 1.5}, "serve_mfu=1.5"),
        ({"compute": 1e22, "latency": "20ms"}, "serve_on"),
        ({"compute": 1e22, "serve_on": "1xh100", "serve_bits": 0.5}, "serve_bits=0.5"),
        ({"compute": 1e22, "at": {"sparsity": 0.5}}, "no further input"),
        ({"compute": 1e22, "style": "wild"}, "recipe"),
        ({"compute": 1e22, "serve_tokens": 1e30, "budget_covers": "lifetime"}, "leave nothing to train with"),
        ({"compute": 1e22, "unique_tokens": 1}, "unique_tokens=1"),
    ],
)
def test_what_makes_no_sense_is_told(asked: dict[str, Any], named: str) -> None:
    if asked.get("style") == "wild":
        with pytest.raises(UsageError, match=named):
            Style(rule="wild")  # type: ignore[arg-type]
        return
    with pytest.raises(UsageError, match=named):
        plan(BESIROGLU, **asked)


def test_what_the_size_counts_is_said() -> None:
    made = plan("published:kaplan2020-nd", compute=1e21)
    assert "params-counted" in codes(made) and "params-counted" not in codes(plan(BESIROGLU, compute=1e21))


def test_draws_that_know_no_loss_leave_bounds_open(ladder: Fit) -> None:
    broken = ladder.ensemble.draws.copy()
    broken[:60] = np.nan
    made = plan(replace(ladder, ensemble=replace(ladder.ensemble, draws=broken)), compute=1e22)
    assert made.params.low is not None and made.params.low > 1e9 and made.params.high is None


def test_what_cannot_be_planned_with_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a plan needs a law of params and tokens"):
        plan("published:kaplan2020-c", compute=1e22)
    with pytest.raises(UsageError, match="also takes granularity: give --at granularity=VALUE"):
        plan("published:krajewski2024", compute=1e22)
    with pytest.raises(UsageError, match=r"sparsity.*at least 0 and below 1"):
        plan("published:abnar2025", compute=1e22, at={"sparsity": 1.0})
    with pytest.raises(UsageError, match="predicts loss_added"):
        plan(_quantised(), compute=1e22, at={"bits_quantised": 4})
    with pytest.raises(UsageError, match="unknown"):
        plan("published:nosuch", compute=1e22)
    runs = tmp_path / "runs.csv"
    runs.write_text("params,tokens,loss\n1e6,1e9,3.1\n")
    with pytest.raises(InputError, match="isoflop fit"):
        plan(runs, compute=1e22)


def _quantised() -> Fit:
    fit = published_fit("besiroglu2024")
    law = isoflop.find_law("kumar-quantised")
    return replace(
        fit,
        law=law,
        theta=np.array([0.1, 0.5, 0.3, 0.6]),
        ensemble=type(fit.ensemble)(law.parameter_names, np.ones((1, 4)), "none"),
    )
