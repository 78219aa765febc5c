"""What a file holds, told by its content, never by its name; and what is never opened."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.errors import InputError
from isoflop.readers.csv import CsvOptions, parse_csv
from isoflop.readers.curve_csv import is_curve
from isoflop.readers.dialect import delimiter_of
from isoflop.readers.formats import name_of_json_log, name_of_text_log
from isoflop.readers.json_log import is_plain_log, json_of_line
from isoflop.readers.lm_eval import is_lm_eval
from isoflop.readers.mlflow import TABLES as MLFLOW_TABLES
from isoflop.readers.parquet import names_in_parquet
from isoflop.readers.sqlite import MAGIC as SQLITE_MAGIC
from isoflop.readers.sqlite import open_sqlite, tables_of
from isoflop.readers.tensorboard import is_tensorboard
from isoflop.readers.text import BAD_ZIP, encoding_of, read_bytes, refuse_bomb
from isoflop.readers.trackio import TABLES as TRACKIO_TABLES
from isoflop.readers.trainer_state import is_trainer_state
from isoflop.readers.wandb import MAGIC as WANDB_MAGIC
from isoflop.readers.wandb_ui import is_wandb_ui

Format = str
"""A table (`csv`, `json`, `parquet`), or one of the logs of `formats.READERS`."""

TABLES: tuple[Format, ...] = ("csv", "json", "parquet")
HEAD = 1 << 16
_AS_IT_STANDS = CsvOptions(decimal="point")
MOST_DOCUMENT = 16 << 20
"""Bytes of a JSON document that is read whole to see what it is."""

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF", "HDF5"),
    (b"%PDF", "a PDF"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a picture"),
    (b"ARROW1", "an Arrow file"),
)
PICKLE_RECIPE = (
    "open it where you trust it and save what you need as a table: "
    "python -c \"import pandas; pandas.read_pickle(FILE).to_csv('runs.csv')\"; "
    "for a checkpoint: torch.load(FILE, weights_only=True) and write its numbers."
)


def sniff(path: Path) -> Format:
    """The format of the file at `path`.

    Raises:
        InputError: it is a pickle (which could run code and is never opened), or nothing that is read.
    """
    start = read_bytes(path, limit=HEAD)
    refuse_bomb(path)
    if is_pickle(start, path):
        raise InputError(
            f"{path} is a pickle: opening one can run any code it carries, so isoflop never does; {PICKLE_RECIPE}"
        )
    if start[:4] == b"PAR1":
        return "parquet-log" if is_curve(names_in_parquet(path)) else "parquet"
    if start.startswith(WANDB_MAGIC):
        return "wandb"
    if start.startswith(SQLITE_MAGIC):
        return _database(path)
    if is_tensorboard(start):
        return "tensorboard"
    for magic, name in _OTHERS:
        if start.startswith(magic):
            raise InputError(f"{path} is {name}, which is not read: save the table as CSV, JSON or Parquet.")
    if start[257:262] == b"ustar":
        raise InputError(f"{path} is a tar archive: unpack it and give the folder.")
    return _text(path, start)


def is_pickle(start: bytes, path: Path) -> bool:
    """Whether the content is a pickle of any protocol, bare or in the zip archive that torch writes."""
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    # Protocols 0 and 1 have no magic; they begin with these opcodes and end in a full stop.
    if start[:3] in (b"(lp", b"(dp", b"}q\x00", b"]q\x00", b"(dq") or start[:9] in (b"ccopy_reg", b"ccollecti"):
        return True
    if start[:2] == b"x\x9c" or b"joblib.numpy_pickle" in start[:4096]:
        return b"numpy_pickle" in start[:4096] or _is_packed_pickle(start)
    if start[:4] != b"PK\x03\x04":
        return False
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            return any(name.endswith((".pkl", ".pickle")) for name in archive.namelist())
    except (*BAD_ZIP, OSError):
        return False


def _is_packed_pickle(start: bytes) -> bool:
    """Joblib packs a pickle with zlib."""
    try:
        unpacked = zlib.decompressobj().decompress(start, 16)
    except zlib.error:
        return False
    return unpacked[:1] == b"\x80"


def _database(path: Path) -> Format:
    with open_sqlite(path) as store:
        tables = tables_of(store)
    for name, wanted in (("mlflow", MLFLOW_TABLES), ("trackio", TRACKIO_TABLES)):
        if all(columns <= set(tables.get(table, ())) for table, columns in wanted.items()):
            return name
    raise InputError(
        f"{path} is an SQLite database of neither MLflow nor trackio: save the table as CSV and give that."
    )


def _text(path: Path, start: bytes) -> Format:
    encoding = encoding_of(start, path, whole=len(start) < HEAD)
    head = start.decode(encoding.codec, "replace").lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    whole = len(start) < HEAD
    lines = head.split("\n") if whole else head.split("\n")[:-1]
    if head.lstrip()[:1] == "[" and (name := name_of_text_log(head)) is not None:
        return name  # the lines of loggers begin with [rank0] or a time in brackets
    if head.lstrip()[:1] in ("{", "["):
        return _json(path, head, lines, whole)
    if (records := _records(lines)) and (name := name_of_json_log(records)) is not None:
        return name
    if (name := name_of_text_log(head)) is not None:
        return name
    header = _header(lines)
    if is_wandb_ui(header):
        return "wandb-export"
    return "csv-log" if is_curve(header) and not _has_text(lines) else "csv"


def _json(path: Path, head: str, lines: list[str], whole: bool) -> Format:
    document = _document(head) if whole else None
    if document is None and not (records := _records(lines)):
        document = _document(_whole(path))
    if document is not None:
        if is_trainer_state(document):
            return "trainer-state"
        if is_lm_eval(document):
            return "lm-eval"
        records = [document] if isinstance(document, dict) else []
    elif len(records) == 1 and not whole:
        records = []
    if (name := name_of_json_log(records)) is not None:
        return name
    # One record alone is a row of a table; a log has several.
    return "json-log" if len(records) > 1 and all(map(is_plain_log, records)) else "json"


def _whole(path: Path) -> str:
    payload = read_bytes(path, limit=MOST_DOCUMENT)
    return payload.decode("utf-8", "replace") if len(payload) < MOST_DOCUMENT else ""


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _records(lines: list[str]) -> list[dict[str, Any]]:
    return [record for line in lines[:200] if "{" in line and (record := json_of_line(line)) is not None]


def _header(lines: list[str]) -> tuple[str, ...]:
    texts = [line for line in lines if line.strip()][:20]
    try:
        return parse_csv("\n".join(texts[:2]) + "\n", "head", _AS_IT_STANDS).header if len(texts) > 1 else ()
    except InputError:
        return _split(texts[0])


def _split(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().strip('"') for cell in line.split(delimiter_of([line])))


def _has_text(lines: list[str]) -> bool:
    """Whether a column of the first rows holds text, which tells the rows of several runs apart."""
    texts = [line for line in lines if line.strip()][:50]
    try:
        table = parse_csv("\n".join(texts) + "\n", "head", _AS_IT_STANDS)
    except InputError:
        return True
    return any(not isinstance(cells, np.ndarray) for cells in table.columns)
