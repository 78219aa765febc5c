"""Units and conventions: said aloud, converted where that is exact, asked where it matters and cannot be known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.fitting.estimation import fit
from isoflop.readers.headers import assign, read_header
from isoflop.readers.loss_unit import unit_of
from isoflop.readers.metrics import metric_of, plainest
from isoflop.readers.numbers import quantity
from isoflop.readers.read import read_and_explain, read_runs
from isoflop.runs.table import RunTable

N, D, LOSS = [1e6, 2e6], [1e9, 2e9], [3.0, 2.5]


def messages(table: RunTable, code: str) -> list[str]:
    return [finding.message for finding in table.findings if finding.code == code]


@pytest.mark.parametrize(
    ("text", "kind", "decimal", "value"),
    [
        ("7B", "count", "point", 7e9),
        ("1.234,5", "number", "comma", 1234.5),
        ("1.234", "number", "comma", 1234.0),
        ("1,5B", "count", "comma", 1.5e9),
        ("−3", "number", "point", -3.0),
        ("10'000'000", "count", "point", 1e7),
        ("5.76e23 FLOP", "compute", "point", 5.76e23),
        ("1e4 PF-days", "compute", "point", 8.64e23),
        ("#N/A", "number", "point", math.nan),
    ],
)  # fmt: skip
def test_a_cell_is_read_as_people_write_it(text: str, kind: Any, decimal: Any, value: float) -> None:
    assert quantity(text, kind, decimal) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "7 Q", "1_000_", "9" * 65, "--1", "1,5,"])
def test_what_is_no_number_is_told_or_missing(text: str) -> None:
    if not text:
        assert math.isnan(quantity(text, "number"))
        return
    with pytest.raises(UsageError):
        quantity(text, "number")


@pytest.mark.parametrize(
    ("header", "column", "scale"),
    [
        ("Model Size (B)", "params", 1e9),
        ("params_M", "params", 1e6),
        ("Pretraining Data Size (T)", "tokens", 1e12),
        ("tokens [billions]", "tokens", 1e9),
        ("FLOPs (1E21)", "compute", 1e21),
        ("training compute (PF-days)", "compute", 8.64e19),
        ("throughput/total_gflops", "compute", 1e9),
        ("throughput/total_tokens", "tokens", 1.0),
        ("model.hidden_dim", "width", 1.0),
        ("loss (nats)", "loss", 1.0),
    ],
)
def test_units_and_paths_of_a_header(header: str, column: str, scale: float) -> None:
    reading = read_header(header)
    assert reading is not None
    assert (reading.column.name, reading.scale) == (column, scale)


@pytest.mark.parametrize(
    "header", ["throughput/tokens", "perf/flops", "c4/loss", "loss (kg)", "params (in our opinion)", "x/N"]
)
def test_what_a_header_does_not_say_is_not_read_into_it(header: str) -> None:
    assert read_header(header) is None


def test_single_letters_are_an_architecture_beside_each_other() -> None:
    taken = {
        name: reading.column.name for name, reading in assign(["d", "L", "h", "tokens", "loss"], {}).items() if reading
    }
    assert taken == {"d": "width", "L": "layers", "h": "heads", "tokens": "tokens", "loss": "loss"}
    alone = {name: reading.column.name for name, reading in assign(["N", "D", "L"], {}).items() if reading}
    assert alone == {"N": "params", "D": "tokens", "L": "loss"}


def test_a_cell_with_its_own_suffix_is_not_scaled_by_the_header_once_more() -> None:
    table = read_runs({"Model Size (B)": ["7", "7B", "0.5"], "D": [1e9] * 3, "loss": [3, 2, 4]})
    assert table["params"].tolist() == [7e9, 7e9, 0.5e9]


def test_explain_says_the_unit_and_what_was_done() -> None:
    _, readings = read_and_explain({"Model Size (B)": [7.0], "D": [1e9], "loss": [3.0]})
    reading = readings[0]
    assert (reading.taken_for, reading.done) == ("params", "read as numbers, times 1e+09")
    assert "in B" in reading.why


@pytest.mark.parametrize(
    ("written", "unit"),
    [("bpb", "bits per byte"), ("nats/token", "nats per token"), ("Bits per Token", "bits per token"), ("kg", None)],
)
def test_units_of_a_loss(written: str, unit: str | None) -> None:
    assert unit_of(written) == unit


def test_perplexity_and_bits_become_nats_per_token_and_this_is_said() -> None:
    table = read_runs({"N": N, "D": D, "val_ppl": [math.exp(value) for value in LOSS]})
    assert table["loss"].tolist() == pytest.approx(LOSS)
    assert set(table["loss_unit"]) == {"nats per token"}
    assert "logarithm of perplexity" in messages(table, "derived-loss")[0]
    table = read_runs({"N": N, "D": D, "loss (bits/token)": [value / math.log(2) for value in LOSS]})
    assert table["loss"].tolist() == pytest.approx(LOSS)
    assert "was given in bits per token" in messages(table, "loss-unit")[0]


def test_bits_per_byte_stay_what_they_are_until_bytes_per_token_is_said() -> None:
    table = read_runs({"N": N, "D": D, "val_bpb": LOSS})
    assert table["loss"].tolist() == LOSS
    assert set(table["loss_unit"]) == {"bits per byte"}
    assert "--set bytes_per_token" in messages(table, "loss-unit")[0]
    told = read_runs({"N": N, "D": D, "val_bpb": LOSS}, constants={"bytes_per_token": 4})
    assert told["loss"].tolist() == pytest.approx([4 * math.log(2) * value for value in LOSS])


def test_a_loss_per_sequence_is_divided_by_its_length() -> None:
    table = read_runs({"N": N, "D": D, "loss_per_sample": [3000.0, 2500.0], "context": [1000, 1000]})
    assert table["loss"].tolist() == pytest.approx(LOSS)


def test_losses_in_two_units_in_one_table_are_a_question_when_they_are_fitted() -> None:
    table = read_runs({"N": N, "D": D, "loss": LOSS, "loss_unit": ["nats", "bpb"]})
    assert "one table" in messages(table, "ask-loss-unit")[0]
    with pytest.raises(InputError, match="row 3, column 'loss_unit': 'furlong' is no unit"):
        read_runs({"N": N, "D": D, "loss": LOSS, "loss_unit": ["nats", "furlong"]})


BATCHES = {"N": N, "step": [1000.0, 2000.0], "batch_size": [64, 64], "loss": LOSS}


@pytest.mark.parametrize(
    ("columns", "constants", "tokens"),
    [
        ({**BATCHES, "seq_len": [128, 128]}, {"batch_unit": "sequences"}, [8192e3, 16384e3]),
        (BATCHES, {"batch_unit": "sequences", "context": "128"}, [8192e3, 16384e3]),
        (BATCHES, {"batch_unit": "tokens"}, [64e3, 128e3]),
        ({"N": N, "step": [10.0, 20.0], "batch_tokens": ["0.5M", "0.5M"], "loss": LOSS}, {}, [5e6, 10e6]),
        ({"N": N, "consumed_samples": [10.0, 20.0], "loss": LOSS}, {"context": "2k"}, [2e4, 4e4]),
    ],
)
def test_tokens_follow_from_steps_batch_and_context(
    columns: dict[str, Any], constants: dict[str, str], tokens: list[float]
) -> None:
    table = read_runs(columns, constants=constants)
    assert table["tokens"].tolist() == tokens
    assert messages(table, "derived-tokens")


@pytest.mark.parametrize(
    ("columns", "option"),
    [
        ({**BATCHES, "seq_len": [128, 128]}, "--set batch_unit=sequences"),
        (BATCHES, "--set batch_unit=tokens"),
        ({"N": N, "consumed_samples": [10.0, 20.0], "loss": LOSS}, "--set context=2048"),
        ({"N": N, "D": D, "eval/a/loss": LOSS, "eval/b/loss": LOSS}, "--map 'eval/a/loss=loss'"),
    ],
)
def test_what_matters_and_cannot_be_known_is_a_question_once_it_is_needed(columns: dict[str, Any], option: str) -> None:
    table = read_runs({name: cells * 8 for name, cells in columns.items()})
    with pytest.raises(Refusal) as caught:
        fit("chinchilla", table, draws=0)
    assert option in str(caught.value)


def test_a_given_loss_column_is_named_by_the_user() -> None:
    columns = {"N": N, "D": D, "eval/a/loss": LOSS, "eval/b/loss": [9.0, 9.0]}
    assert read_runs(columns, columns={"eval/a/loss": "loss"})["loss"].tolist() == LOSS
    with pytest.raises(UsageError, match="there is no column or metric 'eval/c/loss'; there are D, N,"):
        read_runs(columns, columns={"eval/c/loss": "loss"})


def test_the_plainest_held_out_loss_is_taken_and_said() -> None:
    table = read_runs({"N": N, "D": D, "eval/paloma/macro_loss": LOSS, "eval/paloma/c4/macro_loss": [9.0, 9.0]})
    assert table["loss"].tolist() == LOSS
    assert "eval/paloma/macro_loss" in messages(table, "loss-chosen")[0]
    names = ["eval/c4/loss", "train/loss", "loss_scale", "eval/loss", "eval/z_loss", "val_bpb", "lm loss validation"]
    assert [metric.name for metric in plainest(map(metric_of, names), "held-out loss")] == [
        "eval/loss",
        "lm loss validation",
    ]


def test_constants_do_not_overwrite_and_are_said() -> None:
    with pytest.raises(UsageError, match=r"--set loss=3\.0: the source has a column loss"):
        read_runs({"N": N, "loss": LOSS}, constants={"loss": 3.0})
    table = read_runs({"N": N, "D": D, "loss": LOSS}, constants={"tokenizer": "gpt2", "param_count": "total"})
    assert set(table["tokenizer"]) == {"gpt2"}
    assert table.param_count == "total"
    assert "tokenizer = gpt2" in messages(table, "set")[0]


def test_where_may_call_columns_as_the_file_does() -> None:
    assert (
        len(read_runs({"Model Size (B)": [1.0, 2.0], "N_layers": [2, 3], "D": D, "loss": LOSS}, where="N_layers > 2"))
        == 1
    )
    assert len(read_runs({"N": N, "D": D, "val_loss": LOSS}, where="val_loss < 2.7")) == 1


def test_the_horizon_of_the_schedule_stands_beside_the_tokens_trained() -> None:
    table = read_runs({"N": N, "D": D, "step": [50, 100], "max_steps": [100, 100], "loss": LOSS})
    assert table["horizon_tokens"].tolist() == [2e9, 2e9]
