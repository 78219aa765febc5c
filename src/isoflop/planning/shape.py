"""The transformer nearest a model size whose dimensions real kernels, and the devices of a node, like.

Widths are multiples of 1,024 from 4,096 on, of 512, 256, 128 and 64 below, of 8 in tiny models; heads are 128 wide (64
below a width of 2,048, 8 in tiny models); the feed-forward layer is gated and 8/3 as wide as the model, rounded to 256,
128 or 64; queries share 8 key heads from a width of 4,096 on; deep models have a multiple of four layers. Among shapes
within a few percent of the size, the one nearest the usual ratio of width to depth is taken: loss hardly depends on it
over a factor of ten. [kaplan2020]
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from isoflop.accounting.architecture import Architecture
from isoflop.accounting.parameters import count_architecture
from isoflop.quantities import ParamCount

_CLOSE = 0.03  # of the size: shapes as near as this are judged by their proportions
_PENALTY = 0.02  # of one e-fold from the usual ratio of width to depth, in units of a relative miss of the size
_MOST_LAYERS = 400


@dataclass(frozen=True)
class ShapeChoice:
    """An architecture, its parameters as the plan counts them, and its relative distance from the size asked for."""

    architecture: Architecture
    params: int
    miss: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object: the architecture, `params` and `miss`."""
        return {**asdict(self.architecture), "params": self.params, "miss": self.miss}


def nearest_shape(
    params: float, *, vocab: int = 32000, context: int = 4096, counted: ParamCount = "total"
) -> ShapeChoice | None:
    """The shape nearest `params` parameters, counted as `counted` says; None where no shape comes within 20 %.

    Example:
        >>> found = nearest_shape(70e9)
        >>> found.architecture.layers, found.architecture.width
        (80, 9216)
    """
    best: tuple[float, ShapeChoice] | None = None
    # Where the ratio of width to depth is the usual one, 12 L d² parameters have this width.
    likely = math.cbrt(128.0 * params / 12.0)
    for width in _widths():
        if params > 1e8 and not 0.4 * likely < width < 2.5 * likely:
            continue
        for choice in _of_width(width, params, vocab, context, counted):
            shape = choice.architecture
            proportion = abs(math.log(shape.width / shape.layers / _usual_ratio(shape.width)))
            score = max(abs(choice.miss) - _CLOSE, 0.0) + 0.1 * abs(choice.miss) + _PENALTY * proportion
            if best is None or score < best[0]:
                best = (score, choice)
    return best[1] if best is not None and abs(best[1].miss) < 0.2 else None


def _usual_ratio(width: int) -> float:
    """Width over depth of published models: some 64 in small ones, 128 in large ones."""
    return min(max(8.0 * math.sqrt(width) / 5.0, 4.0), 128.0)


def _widths() -> Iterator[int]:
    """Widths whose heads divide among the devices of a node, in steps that grow with the width."""
    for first, end, step in ((8, 128, 8), (128, 512, 64), (512, 1024, 128), (1024, 2048, 256), (2048, 4096, 512)):
        yield from range(first, end, step)
    yield from range(4096, 262145, 1024)


def _of_width(width: int, params: float, vocab: int, context: int, counted: ParamCount) -> Iterator[ShapeChoice]:
    """The shapes of `width` with the two depths around the size."""
    one = _shape(width, 1, vocab, context)
    first = _count(one, counted)
    layer = _count(_shape(width, 2, vocab, context), counted) - first
    exact = 1 + (params - first) / layer
    # Depths that pipelines divide.
    step = 4 if exact >= 24 else 2 if exact >= 8 else 1
    for layers in {step * math.floor(exact / step), step * math.ceil(exact / step)}:
        if 1 <= layers <= min(_MOST_LAYERS, width):
            shape = _shape(width, layers, vocab, context)
            count = _count(shape, counted)
            yield ShapeChoice(shape, count, count / params - 1.0)


def _shape(width: int, layers: int, vocab: int, context: int) -> Architecture:
    multiple = 256 if width >= 2048 else 128 if width >= 1024 else 64 if width >= 128 else 8
    head = 128 if width >= 2048 else 64 if width >= 128 else 8
    heads = width // head
    return Architecture(
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=8 if width >= 4096 else heads,
        head_width=head,
        feedforward=max(round(8 * width / 3 / multiple), 1) * multiple,
        vocab=vocab,
        context=context,
        gated=True,
    )


def _count(shape: Architecture, counted: ParamCount) -> int:
    count = count_architecture(shape)
    return count.non_embedding if counted == "non-embedding" else count.total
