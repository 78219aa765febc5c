"""RunTable: columns, exclusions that name rows, grouping, digests, and what is written for others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isoflop.errors import InputError, UsageError
from isoflop.findings import Finding
from isoflop.readers.read import read_runs
from isoflop.runs.checks import check_rows
from isoflop.runs.table import RunTable
from tests.samples import run_of


def small_table() -> RunTable:
    return RunTable.from_columns(
        {"run": ["a", "b", "c"], "params": [1e6, 2e6, 4e6], "tokens": [1e8, 1e8, 2e8], "loss": [4.0, 3.5, None]},
        param_count="total",
        source=["runs.csv"],
    )


def test_numbers_are_float64_text_is_object_and_missing_is_nan() -> None:
    table = small_table()
    assert table["params"].dtype == np.float64
    assert table["run"].dtype == object
    assert np.isnan(table["loss"][2])
    assert table.row.tolist() == [2, 3, 4]


def test_a_missing_column_error_lists_the_columns_there_are() -> None:
    with pytest.raises(InputError, match="no column 'D': the table has run, params, tokens, loss"):
        small_table()["D"]


def test_columns_of_different_lengths_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="'loss' has 1 values, the table has 2 rows"):
        RunTable.from_columns({"params": [1.0, 2.0], "loss": [1.0]})


def test_values_are_frozen() -> None:
    with pytest.raises(ValueError, match="read-only"):
        small_table()["params"][0] = 5.0


def test_the_input_is_copied_not_shared() -> None:
    sizes = np.array([1.0, 2.0])
    table = RunTable.from_columns({"params": sizes})
    sizes[0] = 7.0
    assert table["params"].tolist() == [1.0, 2.0]


def test_select_keeps_lines_and_exclude_says_which_and_why() -> None:
    table = small_table().select(np.array([False, True, True])).exclude(np.array([True, False]), "too small")
    assert table.row.tolist() == [4]
    assert [(item.row, item.reason) for item in table.excluded] == [(3, "too small")]


def test_compute_is_the_column_or_six_n_d_and_tokens_come_from_compute() -> None:
    assert small_table().compute().tolist() == [6e14, 1.2e15, 4.8e15]
    given = RunTable.from_columns({"params": [1e6], "compute": [6e14]})
    assert given.compute().tolist() == [6e14]
    assert given.tokens().tolist() == [1e8]


def test_param_count_must_be_known() -> None:
    with pytest.raises(UsageError, match="param_count='all' must be one of total"):
        RunTable.from_columns({"params": [1.0]}, param_count="all")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "cluster", "expected"),
    [
        ({"run": ["a", "a", "b"], "params": [1.0, 1.0, 2.0]}, "auto", [0, 0, 1]),
        ({"run": ["a", "b", "c"], "params": [1000.0, 1009.0, 1100.0]}, "auto", [0, 0, 1]),
        ({"params": [3.0, 1.0, 2.0]}, "auto", [0, 1, 2]),
        ({"params": [100.0, 100.9, 101.8, 102.7]}, "auto", [0, 0, 1, 1]),
        ({"params": [1.0, 1.0], "family": ["x", "y"]}, "family", [0, 1]),
        ({"params": [1.0, 1.0]}, "none", [0, 1]),
        ({"loss": [1.0, 1.0]}, "auto", [0, 1]),
        ({"run": ["a", "", ""], "params": [1.0, 1.0, 1.0]}, "run", [0, 1, 2]),
    ],
)
def test_rows_are_grouped_by_run_or_by_size(columns: dict[str, list[float]], cluster: str, expected: list[int]) -> None:
    assert RunTable.from_columns(columns).clusters(cluster).tolist() == expected


def test_an_unknown_cluster_column_is_refused() -> None:
    with pytest.raises(InputError, match="no column 'site'"):
        small_table().clusters("site")


def test_the_dictionary_gives_the_same_table_back() -> None:
    table = small_table().exclude(np.array([True, False, False]), "why").with_findings(Finding("x", "note", "y", (2,)))
    again = RunTable.from_dict(table.to_dict())
    assert again.to_dict() == table.to_dict()
    assert again.sha256 == table.sha256
    assert np.isnan(again["loss"][-1])


def test_the_digest_changes_with_any_value_and_not_with_the_file_name() -> None:
    table = small_table()
    renamed = RunTable.from_columns(dict(table.columns), param_count="total", source=["copy.csv"])
    assert renamed.sha256 == table.sha256
    assert table.with_columns({"params": [1e6, 2e6, 4e6 + 1]}).sha256 != table.sha256


def test_runs_become_rows_and_runs_without_a_loss_are_excluded_with_their_reason() -> None:
    runs = [run_of("done", 3.0), run_of("diverged", None, 1), run_of("done", 2.5, 2)]
    table = RunTable.from_runs(runs)
    assert table["loss"].tolist() == [3.0, 2.5]
    assert table["params"].tolist() == [3152.0, 3152.0]
    assert table.row.tolist() == [2, 4]
    assert "diverged: loss became NaN" in table.excluded[0].reason
    assert RunTable.from_runs(runs, "non-embedding")["params"].tolist() == [1616.0, 1616.0]
    with pytest.raises(UsageError, match="must be total or non-embedding"):
        RunTable.from_runs(runs, "active")


def test_csv_reads_back_and_formulas_are_quoted(tmp_path: Path) -> None:
    table = small_table().with_columns({"run": ["=1+1", "b, c", 'd"e'], "note": ["@x", "-y", ""]})
    table.to_csv(tmp_path / "runs.csv")
    lines = (tmp_path / "runs.csv").read_text().splitlines()
    assert lines[1] == "'=1+1,1000000,100000000,4,'@x"
    again = read_runs(tmp_path / "runs.csv", param_count="total")
    assert again["params"].tolist() == [1e6, 2e6]
    assert again["run"].tolist() == ["'=1+1", "b, c"]


def test_numbers_survive_csv_to_the_last_bit(tmp_path: Path) -> None:
    losses = np.random.default_rng(0).uniform(1, 5, 50)
    RunTable.from_columns({"params": losses * 1e9, "loss": losses}).to_csv(tmp_path / "runs.csv")
    assert read_runs(tmp_path / "runs.csv")["loss"].tolist() == losses.tolist()


def test_pandas_and_notebook_views() -> None:
    table = small_table().with_columns({"run": ["<script>", "b", "c"]})
    assert table.to_pandas()["params"].tolist() == [1e6, 2e6, 4e6]
    assert table.to_pandas().index.tolist() == [2, 3, 4]
    assert "&lt;script&gt;" in table._repr_html_()
    assert str(table) == "RunTable(3 rows, params 1M to 4M, tokens 100M to 200M)"


BAD_CELLS = [
    ("loss", float("nan"), "loss is not given"),
    ("loss", float("inf"), "loss is infinite: it must be finite"),
    ("loss", 0.0, "loss is 0: it must be positive"),
    ("loss", -2.1, "loss is -2.1: it must be positive"),
    ("loss", 1034.0, "loss is 1034: a loss above 20 nats per token is more than any untrained model has"),
    ("params", 0.01, "params is 0.01: it must be at least 1"),
    ("tokens", -5.0, "tokens is -5: it must be at least 1"),
    ("tokens", float("nan"), "tokens is not given"),
    ("compute", float("inf"), "compute is infinite: it must be finite"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD_CELLS)
def test_an_impossible_row_is_excluded_by_name_and_only_that_row(column: str, value: float, reason: str) -> None:
    columns = {"params": [1e6, 2e6, 4e6], "tokens": [1e8] * 3, "compute": [6e14, 1.2e15, 2.4e15], "loss": [4.0] * 3}
    columns[column][1] = value
    checked = check_rows(RunTable.from_columns(columns))
    assert [(item.row, item.reason) for item in checked.excluded] == [(3, reason)]
    assert checked.row.tolist() == [2, 4]
    (finding,) = [finding for finding in checked.findings if finding.code == "excluded-rows"]
    assert finding.rows == (3,)
    assert reason in finding.message


def test_clean_rows_raise_nothing() -> None:
    table = RunTable.from_columns({"params": [1e6, 2e6], "tokens": [1e8, 1e8], "loss": [4.0, 3.9]})
    assert check_rows(table).findings == ()


def test_another_metric_may_have_any_sign() -> None:
    table = RunTable.from_columns({"params": [1e6, 2e6], "score": [-1.0, None], "loss": [-5.0, 0.0]})
    checked = check_rows(table, y="score")
    assert [item.reason for item in checked.excluded] == ["score is not given"]


def test_exact_duplicates_are_named_and_kept() -> None:
    table = RunTable.from_columns({"params": [1e6, 2e6, 1e6], "note": [None, None, None], "loss": [4.0, 3.0, 4.0]})
    checked = check_rows(table)
    assert len(checked) == 3
    assert [(finding.code, finding.rows) for finding in checked.findings] == [("duplicate-rows", (4,))]


def test_a_slip_of_units_in_compute_is_named() -> None:
    compute = [6e14, 1.2e15, 2.4e15, 4.8e15 / 1e3]
    columns = {"params": [1e6, 2e6, 4e6, 8e6], "tokens": [1e8] * 4, "compute": compute, "loss": [4.0, 3.0, 2.9, 2.8]}
    (finding,) = check_rows(RunTable.from_columns(columns)).findings
    assert (finding.code, finding.severity, finding.rows) == ("unit-slip", "refuse", (5,))


def test_many_bad_rows_are_excluded_in_one_pass() -> None:
    losses = -np.arange(1.0, 20_001.0)
    checked = check_rows(RunTable.from_columns({"params": losses * -1e6, "loss": losses}))
    assert len(checked.excluded) == 20_000
    assert checked.findings[0].message.endswith("and 19995 more.")


def test_numbers_of_a_column_of_text_are_refused_by_row_and_cell() -> None:
    table = RunTable.from_columns({"params": [1.0, 2.0], "accuracy": ["0.5", "n.a."], "none": ["", ""]})
    assert table.numbers("params").tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match=r"row 3, column 'accuracy': 'n\.a\.' is text"):
        table.numbers("accuracy")
    with pytest.raises(InputError, match="column 'none' holds no numbers"):
        table.numbers("none")


def test_rows_of_one_size_are_not_one_group() -> None:
    table = RunTable.from_columns({"params": [1e6, 1e6, 1e6], "tokens": [1e8, 2e8, 4e8]})
    assert table.clusters().tolist() == [0, 1, 2]


def test_a_table_given_twice_is_told_as_duplicates(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    for path in (first, second):
        path.write_text("params,tokens,loss\n1e6,1e8,3.0\n2e6,1e8,2.9\n", encoding="utf-8")
    codes = [finding.code for finding in read_runs([first, second], param_count="total").findings]
    assert "duplicate-rows" in codes
    assert [finding.rows for finding in read_runs([first, first]).findings if finding.code == "duplicate-rows"] == [
        (2, 3)
    ]
