"""Parameters counted from the headers of safetensors files: shapes only, no weight is loaded and no code is run."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_HEADER = 100 << 20
_EMBEDDINGS = re.compile(
    r"(?:^|\.)(?:wte|wpe|embed_tokens|embed_positions|word_embeddings|position_embeddings|tok_embeddings|embed_in|"
    r"embedding|embeddings|lm_head|embed_out|output_embeddings)\.(?:[a-z_]+\.)?weight$"
)


@dataclass(frozen=True)
class WeightCount:
    """Parameters in a folder of weights: all of them, and those outside embedding and unembedding."""

    total: int
    non_embedding: int


def count_weights(folder: Path) -> WeightCount | None:
    """The parameters of the model in `folder`, or None where no safetensors file says."""
    files = sorted(folder.glob("model*.safetensors"))
    shapes: dict[str, list[int]] = {}
    for path in files:
        header = _header(path)
        if header is None:
            return None
        shapes.update(header)
    if not shapes:
        return None
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    embeddings = sum(size for name, size in sizes.items() if _EMBEDDINGS.search(name))
    return WeightCount(sum(sizes.values()), sum(sizes.values()) - embeddings)


def _header(path: Path) -> dict[str, list[int]] | None:
    """The shapes by name in one file: a length of 8 bytes, then a JSON object."""
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if not 0 < size <= min(LONGEST_HEADER, path.stat().st_size):
                return None
            tensors: Any = json.loads(stream.read(size))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(tensors, dict):
        return None
    shapes: dict[str, Any] = {
        name: item["shape"] for name, item in tensors.items() if isinstance(item, dict) and "shape" in item
    }
    if not all(
        isinstance(shape, list) and all(isinstance(n, int) and n >= 0 for n in shape) for shape in shapes.values()
    ):
        return None
    return shapes
