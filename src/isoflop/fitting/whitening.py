"""Whitening: what turns residuals that vary unequally and hang together into residuals of equal, independent size.

    e = W r        W = R^(-1/2) · diag(1/scale), in blocks of rows that hang together

Legend of shapes: n rows, any number of leading axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.laws.graph import Array, Index


@dataclass(frozen=True)
class Block:
    """Rows that hang together, and the matrix that makes them independent once each is divided by its scale."""

    rows: Index
    matrix: Array


@dataclass(frozen=True)
class Whitening:
    """W, by the relative standard deviation of each row and the blocks of rows that are correlated."""

    scale: Array
    blocks: tuple[Block, ...] = ()

    def apply(self, values: Array) -> Array:
        """W·values along the last axis (…, n)."""
        result = values / self.scale
        for block in self.blocks:
            result[..., block.rows] = result[..., block.rows] @ block.matrix.T
        return result

    def transpose(self, values: Array) -> Array:
        """Wᵀ·values along the last axis (…, n)."""
        result = np.array(values, dtype=float)
        for block in self.blocks:
            result[..., block.rows] = result[..., block.rows] @ block.matrix
        return result / self.scale
