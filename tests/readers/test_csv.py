"""CSV as people export it, and errors that name file, row, column and value."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from isoflop.errors import InputError
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable

PLAIN = "run,params,tokens,loss\na,1000000,100000000,4.25\nb,2000000,200000000,3.5\n"
SAME_TABLE = {
    "plain": PLAIN,
    "no final line feed": PLAIN.rstrip("\n"),
    "carriage returns": PLAIN.replace("\n", "\r\n"),
    "old Macintosh": PLAIN.replace("\n", "\r"),
    "byte-order mark": "\ufeff" + PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "blank lines at the end": PLAIN + "\n\n",
    "spaces": PLAIN.replace(",", " , "),
    "thousands": 'run,params,tokens,loss\na,"1,000,000","100,000,000",4.25\nb,"2,000,000","200,000,000",3.5\n',
    "suffixes": "run,params,tokens,loss\na,1M,0.1B,4.25\nb,2M,200M tokens,3.5\n",
    "synonyms": "name,N,Training Tokens,val_loss\na,1e6,1e8,4.25\nb,2e6,2e8,3.5\n",
}


def read(tmp_path: Path, text: str) -> RunTable:
    path = tmp_path / "runs.csv"
    path.write_bytes(text.encode())
    return read_runs(path)


@pytest.mark.parametrize("text", SAME_TABLE.values(), ids=SAME_TABLE.keys())
def test_the_same_table_however_it_is_written(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, text)
    assert table["params"].tolist() == [1e6, 2e6]
    assert table["tokens"].tolist() == pytest.approx([1e8, 2e8], rel=1e-15)
    assert table["loss"].tolist() == [4.25, 3.5]
    assert [str(name).strip() for name in table["run"]] == ["a", "b"]
    assert table.row.tolist() == [2, 3]


def test_utf_16_and_gzip_are_read(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_bytes(PLAIN.encode("utf-16"))
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    for name in ("wide.csv", "packed.csv.gz"):
        assert read_runs(tmp_path / name)["loss"].tolist() == [4.25, 3.5]


def test_rows_are_lines_of_the_file_also_after_blank_and_quoted_ones(tmp_path: Path) -> None:
    table = read(tmp_path, 'run,params,loss\n\n"a\nb",1,2\n\nc,3,4\n')
    assert table.row.tolist() == [3, 6]


@pytest.mark.parametrize(
    ("column", "cell"), [("params", "big"), ("tokens", "1,5"), ("loss", "3.x"), ("loss", "2.5k"), ("params", "7Q")]
)
def test_a_bad_cell_names_file_row_column_and_value(tmp_path: Path, column: str, cell: str) -> None:
    cells = {"params": "1e6", "tokens": "1e8", "loss": "4"}
    bad = {**cells, column: f'"{cell}"'}
    text = "\n".join([",".join(cells), ",".join(cells.values()), ",".join(bad.values())])
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert f"runs.csv, row 3, column {column!r}: {cell!r} is not a number" in str(caught.value)


REFUSED = {
    "": "is empty",
    "\n\n": "is empty",
    "params,loss\n": "has a header and no rows",
    "1e6,4.2\n2e6,3.9\n": "the first row is all numbers",
    "params,loss\n1,2\n3\n": "row 3: it has 1 cells where the header has 2",
    "params,loss\n10,000,4\n": "row 2: it has 3 cells where the header has 2",
    "params,params,loss\n1,2,3\n": "row 1: columns 1 and 2 are both called 'params'",
    "params,,loss\n1,2,3\n": "column 2 has no name",
    "params,loss\n1,\0\n": "line 2: there is a NUL",
    'params,loss\n1,"2\n': "row 2: this is not a row of a CSV file",
    "params,loss\n1," + "9" * 200_000 + "\n": "row 2: this is not a row of a CSV file",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[message[:30] for message in REFUSED.values()])
def test_what_is_no_table_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "runs.csv" in str(caught.value)


def test_bytes_that_are_no_text_are_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"run,loss\nca\x01fe,3\n")
    with pytest.raises(InputError, match=r"binary\.csv, line 2: there is a control character \(byte 1\)"):
        read_runs(tmp_path / "binary.csv")


def test_western_text_that_is_not_utf_8_is_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("run,params,loss\ncafé,1e6,3\n".encode("latin-1"))
    table = read_runs(tmp_path / "latin.csv")
    assert table["run"].tolist() == ["café"]
    assert any("Windows-1252" in finding.message for finding in table.findings)


def test_a_missing_cell_excludes_the_row_only_where_it_matters(tmp_path: Path) -> None:
    table = read(tmp_path, "params,tokens,lr,loss\n1e6,1e8,,4\n2e6,1e8,0.1,NA\n3e6,1e8,0.1,3\n")
    assert table.row.tolist() == [2, 4]
    assert [(item.row, item.reason) for item in table.excluded] == [(3, "loss is not given")]


def test_text_in_a_column_of_lesser_importance_is_kept(tmp_path: Path) -> None:
    table = read(tmp_path, "params,loss,lr,kind\n1e6,4,cosine,x\n2e6,3,0.1,y\n")
    assert table["lr"].tolist() == ["cosine", "0.1"]
    assert table["kind"].tolist() == ["x", "y"]


def test_a_table_without_one_usable_row_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"runs\.csv: none of the 2 rows can be used: row 2: loss is -1: it must be"):
        read(tmp_path, "params,loss\n1e6,-1\n2e6,-2\n")
