"""Hours, dollars, energy and utilisation, against published runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoflop.accounting.cost import Tariff, training_cost
from isoflop.accounting.energy import co2_tonnes, energy_mwh
from isoflop.accounting.hardware import find_device, read_devices, shipped_devices
from isoflop.accounting.price import Price, find_price, read_prices, shipped_prices
from isoflop.accounting.utilization import (
    PublishedRun,
    expected_utilization,
    published_utilizations,
    utilization_from_hours,
    utilization_from_throughput,
)
from isoflop.errors import InputError, UsageError
from isoflop.quantities import Devices, parse_devices
from tests.accounting.models import PALM

# Parameters, tokens, device, device hours, utilisation that follows. LLaMA: Table 15 of arXiv 2302.13971. Llama 2, 3
# and 3.1: model cards in meta-llama/llama-models. DeepSeek-V3: arXiv 2412.19437, active parameters.
RUNS = {
    "LLaMA-7B": (6.7e9, 1e12, "a100", 82_432, 0.434),
    "LLaMA-13B": (1.3e10, 1e12, "a100", 135_168, 0.514),
    "LLaMA-33B": (3.25e10, 1.4e12, "a100", 530_432, 0.458),
    "LLaMA-65B": (6.52e10, 1.4e12, "a100", 1_022_362, 0.477),
    "Llama-2-7B": (7e9, 2e12, "a100", 184_320, 0.406),
    "Llama-2-13B": (1.3e10, 2e12, "a100", 368_640, 0.377),
    "Llama-2-70B": (7e10, 2e12, "a100", 1_720_320, 0.435),
    "Llama-3-8B": (8e9, 1.5e13, "h100", 1.3e6, 0.155),
    "Llama-3-70B": (7e10, 1.5e13, "h100", 6.4e6, 0.276),
    "Llama-3.1-8B": (8e9, 1.5e13, "h100", 1.46e6, 0.138),
    "Llama-3.1-70B": (7e10, 1.5e13, "h100", 7e6, 0.253),
    "Llama-3.1-405B": (4.05e11, 1.56e13, "h100", 3.084e7, 0.345),
    "DeepSeek-V3": (3.7e10, 1.48e13, "h800", 2.664e6, 0.346),
}
# GPU-hours and the MWh that Table 15 of LLaMA states for them, 400 W and 1.1.
ENERGY = {82_432: 36, 135_168: 59, 530_432: 233, 1_022_362: 449, 809_472: 356, 1_082_880: 475}


@pytest.mark.parametrize("model", RUNS)
def test_hours_of_published_runs_follow_from_their_utilisation(model: str) -> None:
    params, tokens, device, hours, mfu = RUNS[model]
    cost = training_cost(params, tokens, Devices(1024, device), mfu=mfu)
    assert cost.gpu_hours == pytest.approx(hours, rel=4e-3)
    assert cost.days == pytest.approx(hours / 1024 / 24, rel=4e-3)
    assert utilization_from_hours(cost.compute, hours, find_device(device).peak_flops) == pytest.approx(mfu, abs=6e-4)


def test_the_table_of_utilisations_holds_these_runs() -> None:
    listed = {run.model: run for run in published_utilizations()}
    for model, (_, _, device, _, mfu) in RUNS.items():
        assert listed[model].device == device
        assert listed[model].mfu == pytest.approx(mfu, abs=1.1e-3)


def test_utilisation_of_palm_from_its_throughput() -> None:
    # Appendix B of arXiv 2204.02311: 238.3K tokens a second on 6,144 chips of 275 TFLOP/s, 6 N + 12 L H Q T a token
    attention = 12 * PALM.layers * PALM.attention_width * PALM.context
    mfu = utilization_from_throughput(6 * 540.35e9 + attention, 238.3e3, 6144, find_device("tpu-v4").peak_flops)
    assert mfu == pytest.approx(0.462, abs=5e-4)


@pytest.mark.parametrize("hours", ENERGY)
def test_energy_of_table_15(hours: int) -> None:
    assert energy_mwh(hours, 400) == pytest.approx(ENERGY[hours], rel=5e-3, abs=1.0)


def test_footprint_of_llama_65b() -> None:
    energy = energy_mwh(1_022_362, find_device("a100").power_watts or 0)
    assert energy == pytest.approx(449.8, abs=0.05)
    assert co2_tonnes(energy) == pytest.approx(173, abs=0.5)


def test_a_cost_is_the_arithmetic_of_its_parts() -> None:
    cost = training_cost(1e9, 2e10, Devices(8, "a100"), mfu=0.5, tariff=Tariff(price=2.0))
    hours = 6 * 1e9 * 2e10 / (0.5 * 312e12) / 3600
    assert cost.compute == 1.2e20
    assert cost.gpu_hours == pytest.approx(hours)
    assert cost.days == pytest.approx(hours / 8 / 24)
    assert cost.cost_usd == pytest.approx(2 * hours)
    assert cost.cost_range == (cost.cost_usd, cost.cost_usd)
    assert cost.energy_mwh == pytest.approx(hours * 400 * 1.1 / 1e6)
    assert cost.co2_tonnes == pytest.approx(hours * 400 * 1.1 / 1e6 * 0.385)
    assert cost.memory == {"zero0": 16e9, "zero1": 5.5e9, "zero2": 3.75e9, "zero3": 2e9}
    assert cost.findings == () and not cost.refused


def test_active_parameters_compute_and_all_are_held() -> None:
    dense = training_cost(37e9, 1e12, Devices(2048, "h800"), mfu=0.4)
    sparse = training_cost(671e9, 1e12, Devices(2048, "h800"), mfu=0.4, active_params=37e9)
    assert sparse.gpu_hours == dense.gpu_hours
    assert sparse.memory["zero0"] == 671e9 * 16
    # the report of DeepSeek-V3: 2.664M hours of pretraining at $2 are $5.328M
    run = training_cost(671e9, 14.8e12, Devices(2048, "h800"), active_params=37e9, mfu=0.3464)
    assert run.cost_usd == pytest.approx(5.328e6, rel=1e-3)


def test_a_known_compute_replaces_the_rule() -> None:
    cost = training_cost(4.05e11, 1.56e13, Devices(16384, "h100"), compute=3.8e25, mfu=0.4)
    assert cost.compute == 3.8e25


def test_what_is_assumed_or_unknown_is_said() -> None:
    assumed = training_cost(1e9, 2e10, Devices(8, "h100"))
    assert {finding.code for finding in assumed.findings} == {"mfu-assumed", "price-assumed"}
    assert assumed.mfu == expected_utilization("h100").value
    assert assumed.cost_usd is not None and assumed.cost_range is not None
    assert assumed.cost_range[0] < assumed.cost_usd < assumed.cost_range[1]
    unknown = training_cost(1e9, 2e10, Devices(8, "tpu-v5p"), mfu=0.5)
    assert {finding.code for finding in unknown.findings} == {"price-unknown", "power-unknown"}
    assert unknown.cost_usd is None and unknown.energy_mwh is None and unknown.co2_tonnes is None
    short = training_cost(1e12, 2e10, Devices(8, "h100"), mfu=0.4, tariff=Tariff(price=2.0))
    assert [finding.severity for finding in short.findings] == ["warn"]
    assert "2000 GB on each" in short.findings[0].message and "h100 holds 80 GB" in short.findings[0].message


def test_devices_without_runs_take_the_median_of_all() -> None:
    values = sorted(run.mfu for run in published_utilizations())
    expected = expected_utilization("b200")
    assert values[0] == expected.low < expected.value < expected.high == values[-1]
    assert "none on b200" in expected.source
    one = [PublishedRun("a", "v100", "s", "2020-01-01", stated=0.3)]
    assert expected_utilization("v100", one).value == 0.3


def test_every_constant_has_a_source_and_a_date() -> None:
    for entry in (*shipped_devices(), *shipped_prices(), *published_utilizations()):
        assert entry.source
        assert len(entry.date) == 10 and entry.date[:2] == "20", entry
    names = [device.name for device in shipped_devices()]
    assert len(names) == len(set(names))
    assert {"v100", "a100", "h100", "h200", "b200", "mi300x", "tpu-v4", "tpu-v7", "cpu"} <= set(names)
    for other in (*shipped_prices(), *published_utilizations()):
        assert other.device in names


def test_energy_of_an_operation() -> None:
    # picojoules per FLOP at peak: thermal design power over dense 16-bit throughput
    expected = {"v100": 2.40, "a100": 1.28, "h100": 0.71, "b200": 0.44, "tpu-v5e": 0.71}
    for name, value in expected.items():
        assert find_device(name).picojoules_per_flop == pytest.approx(value, abs=5e-3)


OWN = """
[[device]]
name = "h100"
title = "H100 PCIe"
peak_flops = "756 TFLOP"
memory_bytes = "80G"
bandwidth = 2e12
power_watts = 350
source = "datasheet"
date = 2026-01-01

[[device]]
name = "mine"
title = "My chip"
peak_flops = 1e15
memory_bytes = 64e9
bandwidth = 1e12
source = "bench"
date = "2026-01-02"

[[price]]
device = "mine"
low = 1
high = "$4"
source = "invoice"
date = 2026-01-02
"""


def test_a_file_of_ones_own_replaces_and_adds(tmp_path: Path) -> None:
    place = tmp_path / "own.toml"
    place.write_text(OWN)
    devices, prices = read_devices(place), read_prices(place)
    assert find_device("h100", devices).peak_flops == 756e12
    assert len([device for device in devices if device.name == "h100"]) == 1
    cost = training_cost(1e9, 1e9, parse_devices("2xmine"), mfu=0.5, devices=devices, prices=prices)
    assert cost.price_per_hour == 2.0
    assert cost.gpu_hours == pytest.approx(6e18 / 0.5e15 / 3600)
    assert find_price("h100", prices) == find_price("h100")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("peak_flops", "not TOML"),
        ("[device]\nname = 'x'", r"\[\[device\]\]"),
        (OWN.replace('title = "My chip"\n', ""), r"\[\[device\]\] 2: 'title' is missing"),
        (OWN.replace("power_watts", "watts"), "'watts' is no key"),
        (OWN.replace('"756 TFLOP"', '"fast"'), "peak_flops='fast'"),
        (OWN.replace("350", "-350"), "power_watts.*positive"),
        (OWN.replace("350", "[350]"), "power_watts"),
        (OWN.replace('"datasheet"', "7"), "source=7"),
        (OWN.replace('"$4"', "0.5"), "low=1.0 is above high=0.5"),
    ],
)
def test_a_wrong_file_is_told_by_entry_and_key(tmp_path: Path, text: str, named: str) -> None:
    place = tmp_path / "own.toml"
    place.write_text(text)
    with pytest.raises(InputError, match=named):
        read_devices(place)
        read_prices(place)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nosuch\.toml"):
        read_devices(tmp_path / "nosuch.toml")


def test_wrong_arguments_are_told() -> None:
    gpus = Devices(8, "h100")
    with pytest.raises(UsageError, match=r"h1000.*did you mean h100.*v100, a100-40.*cpu"):
        training_cost(1e9, 1e9, Devices(8, "h1000"))
    with pytest.raises(UsageError, match=r"mfu=1\.5"):
        training_cost(1e9, 1e9, gpus, mfu=1.5)
    with pytest.raises(UsageError, match="params=-1"):
        training_cost(-1.0, 1e9, gpus)
    with pytest.raises(UsageError, match="active_params"):
        training_cost(1e9, 1e9, gpus, active_params=2e9)
    with pytest.raises(UsageError, match="price"):
        Tariff(price=0.0)
    with pytest.raises(UsageError, match="pue"):
        Tariff(effectiveness=0.9)
    with pytest.raises(InputError, match="low=2"):
        Price("x", 2, 1, "s", "2026-01-01")
    with pytest.raises(InputError, match="device_hours"):
        PublishedRun("a", "h100", "s", "2026-01-01")
