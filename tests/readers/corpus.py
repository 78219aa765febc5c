"""The corpus of dialects and malformed files: each a generator of its bytes, with the outcome that is expected.

All tables hold the same ladder of 25 runs, so that an accepted file must give its numbers, and a peer can fit it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import math
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[str, float, float, float]
LADDER: tuple[Row, ...] = tuple(
    (f"r{index}", size, size * ratio, round(1.7 + 400 / size**0.34 + 410 / (size * ratio) ** 0.28, 4))
    for index, (size, ratio) in enumerate((s * 1e6, r) for s in (1, 2, 5, 10, 20) for r in (5, 10, 20, 40, 80))
)
HEADER = ("run", "params", "tokens", "loss")


@dataclass(frozen=True)
class Reads:
    """The ladder comes out: without the rows `lost`, with findings of these codes, with the loss times `factor`."""

    codes: tuple[str, ...] = ()
    lost: tuple[int, ...] = ()
    factor: float = 1.0
    close: float = 1e-12


@dataclass(frozen=True)
class Refused:
    """It is refused with a sentence that names all of these; `asks` where it is a question (exit code 1)."""

    named: tuple[str, ...]
    asks: bool = False


@dataclass(frozen=True)
class Case:
    """A file by its name, how its bytes are made, and what reading it must end in; `plain` files go to peers too."""

    name: str
    content: Callable[[], bytes]
    expected: Reads | Refused
    plain: bool = True


def whole(value: float) -> str:
    return str(int(value))


def table(
    rows: Iterable[Sequence[str]] | None = None, header: Sequence[str] = HEADER, mark: str = ",", end: str = "\n"
) -> str:
    """The text of a table, of the ladder unless rows are given."""
    texts = LADDER_TEXT if rows is None else rows
    return end.join([mark.join(header), *(mark.join(row) for row in texts)]) + end


LADDER_TEXT = [(run, whole(size), whole(tokens), repr(loss)) for run, size, tokens, loss in LADDER]


def changed(write: Callable[[Row], Sequence[str]], **options: Any) -> str:
    return table([write(row) for row in LADDER], **options)


def written(
    params: Callable[[float], str] = whole,
    tokens: Callable[[float], str] = whole,
    loss: Callable[[float], str] = repr,
    names: Sequence[str] = HEADER[1:],
    mark: str = ",",
) -> str:
    """The ladder with the cells of its columns written in other ways, under other names."""
    rows = [(row[0], params(row[1]), tokens(row[2]), loss(row[3])) for row in LADDER]
    return table(rows, header=("run", *names), mark=mark)


def with_columns(write: Callable[[Row], Sequence[str]], *names: str) -> str:
    """The ladder's runs and parameters with other columns than tokens and loss behind them."""
    return changed(lambda row: (row[0], whole(row[1]), *write(row)), header=("run", "params", *names))


def with_cell(line: int, column: int, cell: str) -> str:
    """The ladder with one cell replaced; `line` counts as in the file."""
    rows = [list(row) for row in LADDER_TEXT]
    rows[line - 2][column] = cell
    return table(rows)


def comma(value: float) -> str:
    return repr(value).replace(".", ",")


def grouped(value: float, mark: str = ",") -> str:
    return f"{int(value):,}".replace(",", mark)


def pointed(value: float) -> str:
    return grouped(value, ".")


def millions(value: float) -> str:
    return f"{value / 1e6:g}"


def billions(value: float) -> str:
    return repr(value / 1e9)


def bits(value: float) -> str:
    return repr(value / math.log(2))


def as_text(row: Row) -> tuple[str, ...]:
    return row[0], whole(row[1]), whole(row[2]), repr(row[3])


class Flops:
    """Compute in place of tokens, row by row of the ladder."""

    def __init__(self, unit: float, name: str = "") -> None:
        self.unit, self.name, self.place = unit, name, -1

    def __call__(self, tokens: float) -> str:
        self.place += 1
        return f"{6 * LADDER[self.place][1] * tokens / self.unit!r}{self.name}"


def as_json() -> list[dict[str, object]]:
    return [dict(zip(HEADER, row, strict=True)) for row in LADDER]


def parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    held = io.BytesIO()
    columns = {name: [row[place] for row in LADDER] for place, name in enumerate(HEADER)}
    pyarrow.parquet.write_table(pyarrow.table(columns), held)
    return held.getvalue()


def zipped(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


def tarred() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("runs.csv"))
    return held.getvalue()


def text(name: str, content: Callable[[], str], expected: Reads | Refused, codec: str = "utf-8") -> Case:
    return Case(name, lambda: content().encode(codec), expected)


def derived(name: str, content: Callable[[], str], expected: Reads | Refused) -> Case:
    """A table that says the same in other quantities, which no peer can be told."""
    return Case(name, lambda: content().encode(), expected, plain=False)


def packed(name: str, content: Callable[[], bytes], expected: Reads | Refused) -> Case:
    return Case(name, content, expected, plain=False)


READ = Reads()
DERIVED = Reads(("derived-tokens",), close=1e-9)
NOTED = Reads(("dialect",))

DIALECTS: tuple[Case, ...] = (
    text("plain", table, READ),
    text("no final line end", lambda: table().rstrip("\n"), READ),
    text("Windows line ends", lambda: table(end="\r\n"), READ),
    text("Macintosh line ends", lambda: table(end="\r"), READ),
    text("byte-order mark", table, READ, "utf-8-sig"),
    text("UTF-16", table, NOTED, "utf-16"),
    text("UTF-16, big end first", lambda: "\ufeff" + table(), NOTED, "utf-16-be"),
    text("UTF-16 without mark", table, NOTED, "utf-16-le"),
    text("Latin-1", lambda: table().replace("r3,", "modèle,"), NOTED, "latin-1"),
    text("semicolons", lambda: table(mark=";"), NOTED),
    text("tabs", lambda: table(mark="\t"), NOTED),
    text("bars", lambda: table(mark="|"), NOTED),
    text("spaces", lambda: table(mark="   "), NOTED),
    text("Excel's sep=", lambda: "sep=;\n" + table(mark=";"), NOTED),
    text("semicolons and decimal commas", lambda: written(loss=comma, mark=";"), NOTED),
    text("Unicode text of a German Excel", lambda: written(loss=comma, mark="\t"), NOTED, "utf-16"),
    text("quoted decimal commas", lambda: written(loss=lambda value: f'"{comma(value)}"'), NOTED),
    text("points between thousands", lambda: written(pointed, pointed, comma, mark=";"), NOTED),
    text("quoted thousands", lambda: written(*[lambda value: f'"{grouped(value)}"'] * 2), READ),
    text("spaces between thousands", lambda: written(*[lambda value: grouped(value, " ")] * 2), READ),
    text("narrow spaces between thousands", lambda: written(*[lambda value: grouped(value, "\u202f")] * 2), READ),
    text("apostrophes between thousands", lambda: written(*[lambda value: grouped(value, "'")] * 2), READ),
    text("suffixes", lambda: written(lambda n: f"{n / 1e6:g}M", lambda d: f"{d / 1e9:g}B"), READ),
    text("suffixes behind a space",
         lambda: written(lambda n: f"{n / 1e6:g} M", lambda d: f"{d / 1e9:g}B tokens"),
         READ),
    text("powers of ten", lambda: written(lambda n: f"{n / 1e6:g}×10^6", lambda d: f"{d / 1e6:g} x 10^6"), READ),
    text("units in the header",
         lambda: written(millions, billions, names=("Model Size (M)", "Tokens (B)", "loss")),
         READ),
    text("unit suffixes in the header",
         lambda: written(millions, billions, names=("params_M", "tokens_B", "loss")),
         READ),
    text("other names",
         lambda: table(header=("name", "Model Size", "Training Tokens", "val_loss")),
         Reads(("renamed-columns",))),
    text("other order", lambda: changed(lambda row: as_text(row)[::-1], header=HEADER[::-1]), READ),
    text("all quoted", lambda: changed(lambda row: [f'"{cell}"' for cell in as_text(row)]), READ),
    text("quoted line ends", lambda: table().replace("r3,", '"r\n3",'), READ),
    text("quoted delimiters", lambda: table().replace("r3,", '"r,3",'), READ),
    text("blank lines", lambda: table().replace("r3", "\nr3") + "\n\n", READ),
    text("comments before the header", lambda: "# made by hand\n# on a Monday\n" + table(), NOTED),
    text("names behind a #", lambda: "# " + table(), NOTED),
    text("row numbers of pandas", lambda: changed(lambda r: (r[0][1:], *as_text(r)[1:]), header=("", *HEADER[1:])),
         NOTED),
    text("rows that end in a delimiter", lambda: table().replace("\n", ",\n"), READ),
    text("spaces around cells", lambda: table(mark=" , "), READ),
    text("a column of text", lambda: with_columns(lambda r: ('"gpt, mostly"', *as_text(r)[2:]), "kind", *HEADER[2:]),
         READ),
    derived("compute in PF-days",
            lambda: written(tokens=Flops(8.64e19, " PF-days"), names=("params", "compute", "loss")),
            DERIVED),
    derived("compute in 1E15 FLOP",
         lambda: written(tokens=Flops(1e15), names=("params", "FLOPs (1E15)", "loss")),
         DERIVED),
    derived("perplexity", lambda: written(loss=lambda v: repr(math.exp(v)), names=(*HEADER[1:3], "val_ppl")),
         Reads(("derived-loss",))),
    derived("bits per token",
         lambda: written(loss=bits, names=(*HEADER[1:3], "loss (bits/token)")),
         Reads(("loss-unit",))),
    derived("bits per byte", lambda: table(header=(*HEADER[:3], "val_bpb")), Reads(("derived-loss", "loss-unit"))),
    derived("bits per byte and bytes per token",
         lambda: with_columns(lambda r: (whole(r[2]), bits(r[3] / 4), "4"), "tokens", "val_bpb", "bytes_per_token"),
         Reads(("loss-unit",))),
    derived("steps x batch x context",
         lambda: with_columns(lambda r: (repr(r[2] / 2048 / 64), "64", "2048", "sequences", repr(r[3])),
                              "steps", "batch_size", "seq_len", "batch_unit", "loss"),
         Reads(("derived-tokens",))),
    derived("sequences x context",
         lambda: with_columns(lambda r: (repr(r[2] / 2048), "2048", repr(r[3])), "consumed_samples", "seq_len", "loss"),
         Reads(("derived-tokens",))),
)  # fmt: skip

ROWS_LEFT_OUT: tuple[Case, ...] = (
    text("a loss that is not given", lambda: with_cell(9, 3, "NA"), Reads(("excluded-rows",), (9,))),
    text("a loss of NaN", lambda: with_cell(9, 3, "nan"), Reads(("excluded-rows",), (9,))),
    text("an infinite loss", lambda: with_cell(9, 3, "inf"), Reads(("excluded-rows",), (9,))),
    text("a loss of 0", lambda: with_cell(9, 3, "0"), Reads(("excluded-rows",), (9,))),
    text("a negative loss", lambda: with_cell(9, 3, "-2.1"), Reads(("excluded-rows",), (9,))),
    text("a loss of 1,034", lambda: with_cell(9, 3, "1034"), Reads(("excluded-rows",), (9,))),
    text("parameters of 1e400", lambda: with_cell(9, 1, "1e400"), Reads(("excluded-rows",), (9,))),
    text("parameters of 0.01", lambda: with_cell(9, 1, "0.01"), Reads(("excluded-rows",), (9,))),
    text("a row twice", lambda: table() + ",".join(LADDER_TEXT[7]) + "\n", Reads(("duplicate-rows",))),
)

PACKED: tuple[Case, ...] = (
    packed("gzip", lambda: gzip.compress(table().encode()), READ),
    packed("xz", lambda: lzma.compress(table().encode()), READ),
    packed("bzip2", lambda: bz2.compress(table().encode()), READ),
    packed("zip of one file", lambda: zipped(runs=table().encode()), READ),
    packed("JSON lines", lambda: "".join(json.dumps(row) + "\n" for row in as_json()).encode(), READ),
    packed("JSON list", lambda: json.dumps(as_json(), indent=1).encode(), READ),
    packed("JSON under a key", lambda: json.dumps({"runs": as_json()}).encode(), READ),
    packed(
        "JSON columns", lambda: json.dumps({n: [r[p] for r in LADDER] for p, n in enumerate(HEADER)}).encode(), READ
    ),
    packed("Parquet", parquet, READ),
)

REFUSED: tuple[Case, ...] = (
    text("empty", lambda: "", Refused(("is empty",))),
    text("blank", lambda: "\n \n\n", Refused(("is empty",))),
    text("header only", lambda: "run,params,tokens,loss\n", Refused(("no rows",))),
    text("no header", lambda: table().split("\n", 1)[1].replace("r", ""), Refused(("first row is all numbers",))),
    text("thousands without quotes", lambda: with_cell(9, 1, "10,000,000"), Refused(("row 9", "6 cells", "4"))),
    text("a short row", lambda: table().replace(",".join(LADDER_TEXT[7]), "r7,5"), Refused(("row 9", "2 cells"))),
    text("a header twice", lambda: table(header=("run", "loss", "tokens", "loss")),
         Refused(("row 1", "columns 2 and 4", "'loss'"))),
    text("a column without a name",
         lambda: table(header=("run", "params", "", "loss")),
         Refused(("column 3 has no name",))),
    text("words for a number", lambda: with_cell(9, 1, "ten million"), Refused(("row 9", "'params'", "'ten million'"))),
    text("an unknown suffix", lambda: with_cell(9, 1, "7Q"), Refused(("row 9", "'params'", "'7Q'"))),
    text("a decimal comma among points", lambda: with_cell(9, 3, '"3,1415"'),
         Refused(("row 9", "'loss'", "decimal comma", "decimal point"))),
    text("1,234 and nothing else to tell",
         lambda: changed(lambda r: (r[0], f"{1 + int(r[0][1:])},234", whole(r[2]), "3"), mark=";"),
         Refused(("row 2", "'params'", "--decimal comma"), asks=True)),
    text("a unit that is none", lambda: changed(lambda row: (*as_text(row), "furlongs"), header=(*HEADER, "loss_unit")),
         Refused(("row 2", "'loss_unit'", "furlongs"))),
    text("NUL", lambda: with_cell(9, 3, "\0"), Refused(("line 9", "NUL"))),
    text("control characters", lambda: with_cell(9, 0, "r\x02"), Refused(("line 9", "control character"))),
    text("an open quote", lambda: table().replace("r7,", '"r7,'), Refused(("row 9",))),
    text("a cell of two megabytes", lambda: with_cell(9, 0, "x" * (2 << 20)), Refused(("row 9",))),
    Case("bytes", lambda: bytes(range(256)) * 20, Refused(("line 1",))),
    packed("a pickle", lambda: pickle.dumps({"loss": [3.0]}), Refused(("is a pickle", "never", "to_csv"))),
    packed("an old pickle", lambda: pickle.dumps({"loss": [3.0]}, protocol=0), Refused(("is a pickle",))),
    packed("a torch checkpoint", lambda: zipped(**{"a/data.pkl": b"\x80\x02."}), Refused(("is a pickle",))),
    packed("a joblib file", lambda: zlib.compress(pickle.dumps([1.0])), Refused(("is a pickle",))),
    packed("a NumPy array", lambda: b"\x93NUMPY\x01\x00", Refused(("a NumPy array",))),
    packed("HDF5", lambda: b"\x89HDF\r\n\x1a\n", Refused(("HDF5",))),
    packed("a spreadsheet", lambda: zipped(**{"[Content_Types].xml": b"<x/>"}), Refused(("spreadsheet", "CSV"))),
    packed("an old spreadsheet", lambda: b"\xd0\xcf\x11\xe0" + bytes(600), Refused(("old Excel",))),
    packed("a PDF", lambda: b"%PDF-1.7\n", Refused(("a PDF",))),
    packed("a picture", lambda: b"\x89PNG\r\n\x1a\n", Refused(("a picture",))),
    packed("a tar archive", tarred, Refused(("tar archive",))),
    packed("zip of two files", lambda: zipped(a=b"1", b=b"2"), Refused(("zip archive of 2 files",))),
    packed("a gzip bomb", lambda: gzip.compress(b"params,loss\n" + b"1,3\n" * (8 << 20)),
           Refused(("more than 100 times",))),
    packed("a torn gzip", lambda: gzip.compress(table().encode())[:-20], Refused(("damaged compressed file",))),
    packed("a torn Parquet", lambda: parquet()[:-30], Refused(("damaged Parquet",))),
    packed("a torn JSON line", lambda: b'{"params": 1e6, "loss": 3}\n{"params": 2e6, "lo',
           Refused(("row 2", "not JSON"))),
    packed("JSON nested beyond reason", lambda: b"[" * 100_000, Refused(("not JSON",))),
    packed("a number of 5,000 digits", lambda: b'{"params": ' + b"9" * 5000 + b"}", Refused(("row 1", "not JSON"))),
    packed("JSON of a number", lambda: b'[3.0, 4.0]', Refused(("row 1", "a number"))),
    packed("JSON columns of two lengths", lambda: b'{"params": [1, 2], "loss": [3]}', Refused(("different lengths",))),
    packed("a fit", lambda: b'{"schema": "isoflop.fit/1"}', Refused(("isoflop wrote",))),
)  # fmt: skip

CORPUS = (*DIALECTS, *ROWS_LEFT_OUT, *PACKED, *REFUSED)
