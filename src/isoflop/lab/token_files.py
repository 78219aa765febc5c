"""Files of tokens that other tools wrote: `.npy` arrays, and raw `.bin` with or without the header of llm.c."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import InputError, UsageError
from isoflop.lab.tokenizer import Tokens, dtype_for

DTYPES = ("uint8", "uint16", "uint32")
# llm.c and its descendants write 256 little-endian 32-bit words first: magic number, version, number of tokens.
HEADER_MAGIC, HEADER_WORDS = 20240520, 256


def read_token_file(path: Path, dtype: str, limit: int | None = None) -> NDArray[Any]:
    """The tokens of a file, without reading more of it than is used.

    Raises:
        InputError: the file is missing, empty, or holds something else.
        UsageError: `dtype` is not one that token files have.
    """
    if dtype not in DTYPES:
        raise UsageError(f"text.dtype={dtype!r} must be one of {', '.join(DTYPES)}.")
    try:
        if path.suffix == ".npy":
            found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            offset = _header_bytes(path)
            found = np.memmap(path, dtype=np.dtype(dtype).newbyteorder("<"), mode="r", offset=offset)
    except FileNotFoundError:
        raise InputError(f"token file {path} does not exist: give a .npy or .bin file.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"token file {path} cannot be read as {dtype} ({error}): check text.dtype.") from error
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise InputError(f"token file {path} holds {found.dtype} of {found.ndim} dimensions: one row of whole numbers.")
    return found if limit is None else found[:limit]


def as_tokens(found: NDArray[Any], vocab: int, path: Path) -> Tokens:
    """The tokens in the smallest type that holds `vocab`; InputError when one lies outside it."""
    low, high = int(found.min()), int(found.max())
    if low < 0 or high >= vocab:
        wrong = low if low < 0 else high
        raise InputError(
            f"token file {path} holds token {wrong}, the vocabulary ends at {vocab - 1}: check text.vocab."
        )
    return np.ascontiguousarray(found, dtype=dtype_for(vocab))


def _header_bytes(path: Path) -> int:
    with path.open("rb") as stream:
        first = stream.read(4)
    return 4 * HEADER_WORDS if int.from_bytes(first, "little") == HEADER_MAGIC else 0
