"""The front door: every kind of source, conditions, several sources, and what is never opened."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

from isoflop import records
from isoflop.errors import InputError, UsageError
from isoflop.readers.examples import example_runs
from isoflop.readers.read import explain_runs, read_runs
from isoflop.runs.table import RunTable
from tests.samples import run_of

COLUMNS: dict[str, list[Any]] = {"params": [1e6, 2e6], "tokens": [1e8, 2e8], "loss": [4.25, 3.5], "run": ["a", "b"]}
ROWS = [dict(zip(COLUMNS, cells, strict=True)) for cells in zip(*COLUMNS.values(), strict=True)]


@pytest.mark.parametrize("make", [dict, pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_tables_in_memory_are_read_alike(make: Callable[[Any], Any]) -> None:
    table = read_runs(make(COLUMNS))
    assert table["loss"].tolist() == [4.25, 3.5]
    assert table["run"].tolist() == ["a", "b"]


JSON_TEXTS = {
    "jsonl": "\n".join(json.dumps(row) for row in ROWS),
    "jsonl with a blank line and a final line feed": "\n\n".join(json.dumps(row) for row in ROWS) + "\n",
    "list": json.dumps(ROWS, indent=2),
    "columns": json.dumps(COLUMNS),
}


@pytest.mark.parametrize("text", JSON_TEXTS.values(), ids=JSON_TEXTS.keys())
def test_json_is_told_by_content_not_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs.dat"
    path.write_text(text)
    assert read_runs(path)["loss"].tolist() == [4.25, 3.5]


def test_parquet_is_read(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table(COLUMNS), tmp_path / "runs")
    assert read_runs(tmp_path / "runs")["params"].tolist() == [1e6, 2e6]


def test_objects_inside_objects_become_columns(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text('{"params": 1e6, "loss": 3, "eval": {"arc": 0.25}, "tags": ["x"]}\n')
    table = read_runs(tmp_path / "runs.jsonl")
    assert table["eval.arc"].tolist() == [0.25]
    assert table["tags"].tolist() == ['["x"]']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"params": 1}\n{"params": \n', "row 2: this line is not JSON"),
        ('{"params": 1}\n[1]\n', "row 2: a row is an object"),
        ("[]", "holds no rows"),
        ('[{"params": 1e6, "loss": [3]}]', "row 1, column 'loss'"),
        ('{"params": [1, 2], "loss": [3]}', "different lengths ('params' 2, 'loss' 1)"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_broken_json_names_the_row(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_runs(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value", [{"params": [1]}, [1.5, 2], pandas.DataFrame({"loss": [1.0]})], ids=["dict", "list", "frame"]
)
def test_a_pickle_is_never_opened(tmp_path: Path, protocol: int, value: Any) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    with pytest.raises(InputError, match="is a pickle: opening one can run any code"):
        read_runs(path)


def test_an_archive_with_a_pickle_inside_is_never_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.csv", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    with pytest.raises(InputError, match="is a pickle"):
        read_runs(tmp_path / "model.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 rest", "damaged compressed file"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"SQLite format 3\0", "SQLite"),
        (b"PAR1xx", "damaged"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_runs(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.csv", "nowhere.csv does not exist"),
        (42, "a int is not a table"),
        ({"params": [1.0, 2.0], "loss": [1.0]}, "different lengths"),
        ({"params": "7B"}, "a column is a list"),
        ({"params": []}, "no rows"),
        ({"params": [object()], "loss": [1.0]}, "column 'params'"),
        (pandas.DataFrame([[1, 2]], columns=["loss", "loss"]), "two columns are called 'loss'"),
    ],
)
def test_what_is_no_source_is_refused(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_runs(source)


def test_where_keeps_rows_with_their_lines_and_says_so() -> None:
    table = read_runs(example_runs(), where="held_out == 0 and params > 1e4")
    assert len(table) == 12
    assert table.row.tolist() == list(range(14, 26))
    assert any(finding.code == "where" and "12 of 25 rows" in finding.message for finding in table.findings)
    assert len(read_runs(COLUMNS, where='run == "a"')) == 1
    assert len(read_runs(COLUMNS, where="row > 2")) == 1


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("params >", "condition|formula"),
        ("wdith > 3", "'wdith' is not a column"),
        ("params + 1", "is not a condition"),
        ("run > 3", "cannot be compared"),
        ("params > 1e12", "keeps none of the 2 rows"),
        ("__import__('os')", "not allowed"),
    ],
)
def test_a_wrong_condition_is_explained(where: str, message: str) -> None:
    with pytest.raises((UsageError, InputError), match=message):
        read_runs(COLUMNS, where=where)


def test_several_sources_are_joined_and_keep_their_origin(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("params_total,tokens,loss,site\n1e6,1e8,4,x\n")
    (tmp_path / "b.csv").write_text("params_total,tokens,loss,lr\n2e6,1e8,3,0.1\n")
    table = read_runs([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert table["loss"].tolist() == [4.0, 3.0]
    assert table["site"].tolist() == ["x", ""]
    assert [str(value) for value in table["learning_rate"]] == ["nan", "0.1"]
    assert table["source"].tolist() == [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    with pytest.raises(UsageError, match="is empty"):
        read_runs([])


def test_a_table_is_taken_as_it_is() -> None:
    table = RunTable.from_columns(COLUMNS, param_count="total")
    assert read_runs(table).sha256 == table.sha256
    assert [item.done for item in explain_runs(table)] == ["taken as it is"] * 4
    with pytest.raises(InputError, match="'active' is asked for, and the table counts total"):
        read_runs(table, param_count="active")


def test_a_study_directory_is_read_through_its_results(tmp_path: Path) -> None:
    runs = [run_of("done", 3.0 + seed / 8, seed) for seed in range(3)]
    for run in runs:
        place = tmp_path / "runs" / run.spec.identifier
        records.write_record(place / "spec.json", run.spec.to_dict())
        if run.spec.seed < 2:
            records.write_record(place / "result.json", run.to_dict())
    for source in (tmp_path, tmp_path / "runs"):
        table = read_runs(source)
        assert sorted(table["loss"].tolist()) == [3.0, 3.125]
        assert table.param_count == "total"
        assert any(finding.code == "unfinished-runs" for finding in table.findings)
    single = read_runs(tmp_path / "runs" / runs[0].spec.identifier, param_count="non-embedding")
    assert single["params"].tolist() == [1616.0]
    with pytest.raises(InputError, match="none of its 1 runs is finished"):
        read_runs(tmp_path / "runs" / runs[2].spec.identifier)


def test_a_directory_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no runs"):
        read_runs(tmp_path)


def test_the_example_table_is_clean_and_complete() -> None:
    table = read_runs(example_runs())
    assert len(table) == 25
    assert table.param_count == "total"
    assert [finding.code for finding in table.findings] == ["compute-convention"]
    assert len(set(table.clusters().tolist())) == 7
    assert table["held_out"].sum() == 1
    assert table["compute"][-1] > 3 * table["compute"][:-1].max()


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("chinchilla-epoch/svg_extracted_data.csv", 245, ("params", "tokens", "compute", "loss")),
        ("porian/isoflop_points.csv", 1745, ("params", "tokens", "compute", "loss")),
        ("step-law/dense_lr_bs_loss.csv", 1911, ("params", "tokens", "loss", "learning_rate")),
        ("cs336-isoflop/isoflops_curves.json", 72, ("params", "tokens", "compute", "loss")),
        ("olmo-ladder/all_checkpoints.csv.gz", 3569, ("run", "step")),
    ],
)
def test_published_tables_are_read(public_data: Path, name: str, rows: int, columns: tuple[str, ...]) -> None:
    table = read_runs(public_data / name)
    assert len(table) == rows
    assert all(table.has(column) for column in columns)


def test_a_saved_fit_is_not_taken_for_a_table(tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text('{"schema": "isoflop.fit/1", "law": "chinchilla"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"is what isoflop wrote \(isoflop\.fit/1\), not a table of runs"):
        read_runs(path)


def test_an_empty_condition_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match="where='' is empty"):
        read_runs(COLUMNS, where="")


def test_a_log_without_one_usable_row_ends_in_a_sentence(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(
        "tokens per iteration will be: 16,384\nnumber of parameters: 10.65M\nOverriding: max_iters = 2000\n"
        "step 0: train loss 4.2874, val loss 4"
    )
    with pytest.raises(InputError, match=r"none of the 1 rows can be used: row 2: tokens is 0"):
        read_runs(log)
