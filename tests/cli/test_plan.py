"""`isoflop plan` from outside: its page, its JSON, its CSV, its exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command

BESIROGLU = ("plan", "--law", "published:besiroglu2024")
PROMISED = {
    "schema", "params", "tokens", "loss", "compute", "gpu_hours", "days", "cost_usd", "energy_mwh", "memory", "shape",
    "alternatives", "warnings",
}  # fmt: skip


def test_a_saved_fit_plans_with_intervals(isoflop: Command, saved_fit: Path, tmp_path: Path) -> None:
    place = tmp_path / "plan.json"
    ended = isoflop("plan", saved_fit, "--compute", "3e12", "--json", "--out", place)
    record = ended.record
    assert ended.code == 0 and PROMISED <= set(record) and record["schema"] == "isoflop.plan/1"
    for name in ("params", "tokens", "loss"):
        assert record[name]["low"] < record[name]["value"] < record[name]["high"]
    assert 6 * record["params"]["value"] * record["tokens"]["value"] == pytest.approx(3e12, rel=1e-6)
    assert json.loads(place.read_text()) == record


def test_plan_and_forecast_agree(isoflop: Command, saved_fit: Path) -> None:
    made = isoflop("plan", saved_fit, "--compute", "3e12", "--json").record
    told = isoflop("forecast", saved_fit, "--compute", "3e12", "--json").record["points"][0]
    assert made["params"]["value"] == pytest.approx(told["params"], rel=1e-5)
    for bound in ("value", "low", "high"):
        assert made["loss"][bound] == pytest.approx(told["loss"][bound], rel=1e-5)


def test_the_page_says_everything_on_one_screen(isoflop: Command) -> None:
    ended = isoflop(*BESIROGLU, "--gpus", "1024xh100", "--time", "30 days")
    assert ended.code == 0
    for words in (
        "Train ", "for each parameter", "loss", "PF-days", "device hours", "dollars", "MWh", "tensor", "rate", "binds",
        "30 days of 1024 × h100", "Around it", "size ×0.5", "budget ×2", "published-constants", "no interval",
    ):  # fmt: skip
        assert words in ended.stdout, words
    before_notes = ended.stdout.split("note:")[0]
    assert len(before_notes.splitlines()) <= 40
    assert all(len(line) <= 110 for line in ended.stdout.splitlines())


def test_sardana_from_the_command_line(isoflop: Command) -> None:
    record = isoflop(*BESIROGLU, "--target-loss", "1.9738818632", "--serve-tokens", "10T", "--json").record
    assert record["params"]["value"] == pytest.approx(34.5e9, rel=2e-3)
    assert record["tokens"]["value"] == pytest.approx(3.75e12, rel=2e-3)
    assert record["serving"]["saved"] > 0.05
    assert "serving" in isoflop(*BESIROGLU, "--target-loss", "1.9738818632", "--serve-tokens", "10T").stdout


def test_ten_trillion_parameters_and_the_stock_of_text(isoflop: Command) -> None:
    ended = isoflop("plan", "--law", "published:hoffmann2022-approach1", "--params", "10T")
    assert ended.code == 0
    assert "216T" in ended.stdout and "300T [100T, 1e15]" in ended.stdout and "unknown" in ended.stdout


def test_epochs_of_few_tokens(isoflop: Command) -> None:
    ended = isoflop(*BESIROGLU, "--compute", "1e23", "--unique-tokens", "50B")
    assert ended.code == 0
    for words in ("epochs", "of their worth kept", "one more epoch", "fresh tokens alone", "repetition-assumed"):
        assert words in ended.stdout


def test_what_cannot_be_had_ends_with_one(isoflop: Command, tmp_path: Path) -> None:
    call = (*BESIROGLU, "--target-loss", "1.95", "--cost", "$100k", "--gpu", "h100")
    ended = isoflop(*call)
    assert ended.code == 1
    assert "cost binds" in ended.stdout and "The nearest plan is" in ended.stdout and "--force" in ended.stdout
    assert "Around it" not in ended.stdout
    place = tmp_path / "plan.json"
    told = isoflop(*call, "--json", "--out", place)
    assert told.code == 1 and told.record["refused"] is True and PROMISED <= set(told.record)
    assert told.record["warnings"][0]["code"] == "infeasible"
    assert json.loads(place.read_text()) == told.record
    forced = isoflop(*call, "--force")
    assert forced.code == 0 and "Around it" in forced.stdout and "refused: " in forced.stdout


def test_a_fit_that_is_refused_is_not_planned_with(isoflop: Command, tmp_path: Path) -> None:
    rows = [f"{1e6 * 2**step:.0f},{2e7 * 2**step:.0f},{2 + 3 * 0.8**step:.4f}" for step in range(10)]
    (tmp_path / "runs.csv").write_text("\n".join(["params,tokens,loss", *rows]))
    place = tmp_path / "fit.json"
    isoflop("fit", tmp_path / "runs.csv", "--law", "chinchilla", "--draws", "50", "--force", "--out", place, "--json")
    ended = isoflop("plan", place, "--compute", "1e17", "--json")
    assert ended.code == 1 and ended.record["refused"] is True
    assert isoflop("plan", place, "--compute", "1e17", "--force", "--json").code == 0


def test_a_fit_without_draws_is_refused_as_an_object(isoflop: Command, table: Path, tmp_path: Path) -> None:
    place = tmp_path / "fit.json"
    assert isoflop("fit", table, "--law", "chinchilla", "--draws", "0", "--out", place, "--json").code == 0
    ended = isoflop("plan", place, "--compute", "3e12", "--json")
    assert ended.code == 1 and ended.record["refused"] is True and "no draws" in ended.stderr


def test_a_sweep_as_page_csv_and_json(isoflop: Command, saved_fit: Path, tmp_path: Path) -> None:
    place = tmp_path / "frontier.csv"
    ended = isoflop("plan", saved_fit, "--sweep", "1e11:1e13:60", "--csv", place)
    assert ended.code == 0 and "Best runs" in ended.stdout
    rows = list(csv.DictReader(place.read_text().splitlines()))
    assert len(rows) == 60 and float(rows[0]["compute"]) == pytest.approx(1e11)
    assert float(rows[5]["params_low"]) <= float(rows[5]["params"]) <= float(rows[5]["params_high"])
    record = isoflop("plan", saved_fit, "--sweep", "1e11:1e13:60", "--json").record
    assert record["schema"] == "isoflop.frontier/1" and len(record["frontier"]) == 60
    assert record["frontier"][5]["loss"]["low"] == pytest.approx(float(rows[5]["loss_low"]))


def test_years_ahead(isoflop: Command) -> None:
    call = (*BESIROGLU, "--compute", "1e24", "--gpu", "h100", "--until", "2030", "--afford", "$100k")
    ended = isoflop(*call)
    assert ended.code == 0
    for words in ("Years ahead", "2030", "It costs $100k in", "moore", "300T tokens of public text"):
        assert words in ended.stdout
    record = isoflop(*call, "--json").record["outlook"]
    assert [year["year"] for year in record["years"]] == [2026, 2027, 2028, 2029, 2030]
    assert record["text_runs_out"]["low"] < 2028.5 < record["text_runs_out"]["high"] + 1


def test_a_frontier_fit_is_planned_with(isoflop: Command, tmp_path: Path) -> None:
    from tests.planning.conftest import table as synthetic

    runs = synthetic()
    lines = ["params,tokens,compute,loss"]
    lines += [
        ",".join(repr(float(runs[name][row])) for name in ("params", "tokens", "compute", "loss")) for row in range(60)
    ]
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    place = tmp_path / "frontier.json"
    assert isoflop("isoflops", tmp_path / "runs.csv", "--out", place, "--json").code == 0
    record = isoflop("plan", place, "--compute", "1e22", "--json").record
    assert record["params"]["low"] < record["params"]["value"] < record["params"]["high"]
    assert isoflop("plan", place, "--compute", "1e22", "--serve-tokens", "1T").code == 2


def test_hardware_of_ones_own(isoflop: Command, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[[device]]\nname = "mine"\ntitle = "My chip"\npeak_flops = "1 PFLOP"\nmemory_bytes = "64G"\n'
        'bandwidth = "1T"\nsource = "bench"\ndate = 2026-01-02\n'
        '[[price]]\ndevice = "mine"\nlow = 1\nhigh = 4\nsource = "invoice"\ndate = 2026-01-02\n'
    )
    call = (*BESIROGLU, "--cost", "$1000", "--gpu", "mine", "--mfu", "0.5", "--hardware", own)
    record = isoflop(*call, "--json").record
    assert record["compute"] == pytest.approx(500 * 3600 * 0.5e15)
    assert record["cost_usd"] == pytest.approx(1000)
    assert record["energy_mwh"] is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "Nothing says what to spend"),
        (("--compute", "much"), "compute='much'"),
        (("--compute", "-1e22"), "must be positive"),
        (("--cost", "30 days"), "cost='30 days'"),
        (("--gpus", "8xh1000", "--time", "1 day"), "h1000"),
        (("--time", "1 day"), "gpus"),
        (("--compute", "1e22", "--max-params", "seven"), "max_params='seven'"),
        (("--compute", "1e22", "--unique-tokens", "0"), "must be positive"),
        (("--compute", "1e22", "--max-epochs", "0.5"), "--max-epochs"),
        (("--compute", "1e22", "--serve-mfu", "2"), "--serve-mfu"),
        (("--compute", "1e22", "--at", "sparsity"), "COLUMN=VALUE"),
        (("--compute", "1e22", "--at", "sparsity=0.5"), "no further input"),
        (("--compute", "1e22", "--latency", "20"), "latency='20'"),
        (("--compute", "1e22", "--recipe", "magic"), "--recipe"),
        (("--compute", "1e22", "--csv", "x.csv"), "--sweep"),
        (("--compute", "1e22", "--afford", "$1"), "--until"),
        (("--compute", "1e22", "--sweep", "1e20:1e22"), "leave out --compute"),
        (("--sweep", "1e22:1e20"), "must rise"),
        (("--compute", "1e22", "--until", "1999"), "--until"),
        (("--compute", "1e22", "--until", "2020"), "must be a year after"),
        (("--compute", "1e22", "--hardware", "nosuch.toml"), "nosuch.toml"),
        (("--target-loss", "low"), "target_loss='low'"),
    ],
)
def test_bad_calls_end_in_one_sentence(arguments: tuple[str, ...], named: str, isoflop: Command) -> None:
    ended = isoflop(*BESIROGLU, *arguments)
    assert ended.code == 2 and ended.stdout == ""
    assert named in ended.stderr and "defect of isoflop" not in ended.stderr


def test_one_source_is_given(isoflop: Command, saved_fit: Path, table: Path) -> None:
    assert "one of a saved FIT and --law" in isoflop("plan", "--compute", "1e22").stderr
    assert isoflop("plan", saved_fit, "--law", "published:besiroglu2024", "--compute", "1e22").code == 2
    assert "published:NAME" in isoflop("plan", "--law", "chinchilla", "--compute", "1e22").stderr
    assert "isoflop fit" in isoflop("plan", table, "--compute", "1e22").stderr
    assert "nosuch.json" in isoflop("plan", "nosuch.json", "--compute", "1e22").stderr
    assert isoflop("plan", "published:besiroglu2024", "--compute", "1e22", "--json").code == 0
