"""`isoflop cost` from outside: its page, its JSON, its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command

LLAMA = ("cost", "--params", "65.2B", "--tokens", "1.4T", "--gpus", "2048xa100", "--mfu", "0.4769")


def test_json_of_llama_65b(isoflop: Command) -> None:
    ended = isoflop(*LLAMA, "--price", "$1.50", "--json")
    record = ended.record
    assert ended.code == 0
    assert record["schema"] == "isoflop.cost/1"
    assert record["compute"] == pytest.approx(5.4768e23)
    assert record["gpu_hours"] == pytest.approx(1_022_362, rel=1e-3)
    assert record["days"] == pytest.approx(20.8, abs=0.05)
    assert record["energy_mwh"] == pytest.approx(449.8, rel=1e-3)
    assert record["cost_usd"] == pytest.approx(1.5 * record["gpu_hours"])
    assert set(record["memory"]) == {"zero0", "zero1", "zero2", "zero3"}
    assert record["memory"]["zero0"] == pytest.approx(16 * 65.2e9)
    assert record["memory"]["zero3"] == pytest.approx(16 * 65.2e9 / 2048)
    assert record["refused"] is False and record["warnings"] == []


def test_the_page_says_what_it_assumed(isoflop: Command) -> None:
    ended = isoflop("cost", "--params", "70B", "--tokens", "1.4T", "--gpus", "1024xh100")
    assert ended.code == 0
    for words in ("5.88e23 FLOP", "PF-days", "ZeRO 3", "1.09 GB", "does not fit", "MWh", "--mfu", "--price"):
        assert words in ended.stdout


def test_experts_and_eighteen_bytes(isoflop: Command) -> None:
    call = ("cost", "--params", "671B", "--active-params", "37B", "--tokens", "14.8T", "--gpus", "2048xh800", "--json")
    sixteen = isoflop(*call).record
    eighteen = isoflop(*call, "--state-bytes", "18").record
    assert sixteen["compute"] == pytest.approx(3.2856e24)
    assert eighteen["memory"]["zero3"] / sixteen["memory"]["zero3"] == pytest.approx(18 / 16)
    assert "active" in isoflop(*call[:-1]).stdout


def test_hardware_of_ones_own(isoflop: Command, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[[device]]\nname = "mine"\ntitle = "My chip"\npeak_flops = "1 PFLOP"\nmemory_bytes = "64G"\n'
        'bandwidth = "1T"\nsource = "bench"\ndate = 2026-01-02\n'
    )
    written = tmp_path / "cost.json"
    call = ("cost", "--params", "1B", "--tokens", "20B", "--gpus", "8xmine", "--mfu", "0.5", "--hardware", own)
    ended = isoflop(*call, "--json", "--out", written)
    assert ended.record["gpu_hours"] == pytest.approx(1.2e20 / 0.5e15 / 3600)
    assert ended.record["cost_usd"] is None and ended.record["energy_mwh"] is None
    assert written.read_text().startswith("{")
    assert "price" in isoflop(*call).stdout


LLAMA_2_70B = """
[architecture]
layers = 80
width = 8192
heads = 64
kv_heads = 8
feedforward = 28672
gated = true
vocab = 32000
context = 4096
"""


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    place = tmp_path / "llama.toml"
    place.write_text(LLAMA_2_70B)
    return place


def test_an_architecture_is_counted_exactly(isoflop: Command, llama: Path) -> None:
    call = ("cost", "--architecture", llama, "--tokens", "2T", "--gpus", "2048xa100", "--batch", "1024")
    record = isoflop(*call, "--convention", "matmul", "--json").record
    architecture = record["architecture"]
    assert record["params"] == architecture["parameters"]["total"] == 68_976_648_192
    assert record["compute"] == architecture["compute"]["matmul"]
    assert set(architecture["compute"]) == {"6nd", "kaplan", "hoffmann", "hoffmann-without-embeddings", "matmul"}
    assert architecture["cache_bytes_per_token"] == 327_680
    assert architecture["layouts"]
    for layout in architecture["layouts"]:
        assert layout["tensor"] * layout["pipeline"] * layout["data"] == 2048
        assert layout["states"] + layout["activations"] <= 80e9
    assert isoflop(*call, "--json").record["compute"] == pytest.approx(6 * 68_976_648_192 * 2e12)
    assert isoflop(*call, "--compute", "9e23", "--json").record["compute"] == 9e23
    page = isoflop(*call).stdout
    assert all(words in page for words in ("kaplan", "Layouts that fit", "tokens/s", "328 kB"))


def test_no_layout_for_too_few_devices(isoflop: Command, llama: Path) -> None:
    ended = isoflop("cost", "--architecture", llama, "--tokens", "2T", "--gpus", "8xa100")
    assert ended.code == 0
    assert "No layout" in ended.stdout and "use more devices" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--params", "70B", "--architecture", "FILE"), "--params='70B'"),
        (("--active-params", "7B", "--architecture", "FILE"), "--active-params='7B'"),
        (("--batch", "0.5", "--architecture", "FILE"), "--batch='0.5'"),
        (("--architecture", "nosuch.toml"), "nosuch.toml"),
        (("--params", "7B", "--batch", "8"), "--batch='8'"),
        ((), "--params is missing"),
    ],
)
def test_size_is_given_once(arguments: tuple[str, ...], named: str, isoflop: Command, llama: Path) -> None:
    given = [str(llama) if argument == "FILE" else argument for argument in arguments]
    ended = isoflop("cost", "--tokens", "2T", "--gpus", "8xa100", *given)
    assert ended.code == 2 and ended.stdout == ""
    assert named in ended.stderr


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("--gpus", "8xh1000"), "--gpus='h1000'"),
        (("--gpus", "eight h100"), "--gpus='eight h100'"),
        (("--params", "seventy"), "--params='seventy'"),
        (("--params", "-7B"), "must be positive"),
        (("--tokens", "30 days"), "--tokens='30 days'"),
        (("--mfu", "40"), "--mfu"),
        (("--price", "free"), "--price='free'"),
        (("--price", "0"), "must be positive"),
        (("--pue", "0.5"), "--pue"),
        (("--carbon", "-1"), "--carbon"),
        (("--state-bytes", "17"), "--state-bytes"),
        (("--active-params", "100B"), "active_params"),
        (("--compute", "much"), "--compute='much'"),
        (("--hardware", "nosuch.toml"), "nosuch.toml"),
    ],
)
def test_bad_calls_end_in_one_sentence(change: tuple[str, str], named: str, isoflop: Command) -> None:
    ended = isoflop(*LLAMA, *change)
    assert ended.code == 2 and ended.stdout == ""
    assert named in ended.stderr
    assert "defect of isoflop" not in ended.stderr


def test_wrong_names_list_the_allowed_ones(isoflop: Command) -> None:
    told = isoflop(*LLAMA, "--gpus", "8xh1000").stderr
    assert all(name in told for name in ("v100", "h100", "b200", "mi300x", "tpu-v7", "cpu", "--hardware"))
