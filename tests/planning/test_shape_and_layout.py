"""Shapes that kernels and nodes like, and how they are laid out over devices."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.accounting.hardware import find_device
from isoflop.accounting.parameters import count_architecture
from isoflop.planning.parallelism import place
from isoflop.planning.shape import nearest_shape

H100 = find_device("h100")


@pytest.mark.parametrize("params", [1.25e8, 1e9, 7e9, 1.3e10, 7e10, 4.05e11, 1e12])
def test_shapes_near_a_size(params: float) -> None:
    found = nearest_shape(params)
    assert found is not None and abs(found.miss) < 0.05
    shape = found.architecture
    assert count_architecture(shape).total == found.params
    assert shape.width % 64 == 0 and shape.feedforward % 64 == 0
    assert shape.heads * shape.head_width == shape.width and shape.head_width in (64, 128)
    assert 20 < shape.width / shape.layers < 200
    if params >= 7e9:
        assert shape.width % 512 == 0 and shape.layers % 4 == 0 and shape.heads % 4 == 0


def test_every_size_from_a_million_to_a_trillion_has_a_shape() -> None:
    for params in np.geomspace(1e6, 1e13, 60):
        found = nearest_shape(float(params), vocab=256, context=256)
        assert found is not None and abs(found.miss) < 0.15, params


def test_sizes_are_counted_as_the_fit_counts_them() -> None:
    outside = nearest_shape(1e9, counted="non-embedding")
    assert outside is not None
    count = count_architecture(outside.architecture)
    assert outside.params == count.non_embedding == pytest.approx(1e9, rel=0.05)
    assert count.total > 1.05e9


def test_no_shape_for_a_size_below_its_vocabulary() -> None:
    assert nearest_shape(1e5) is None
    assert nearest_shape(1e5, vocab=96, context=16) is not None


@pytest.mark.parametrize(
    ("params", "devices", "batch"),
    [(1e8, 8, 5e5), (7e9, 256, 2e6), (7e10, 1024, 4e6), (7e10, 1000, 4e6), (4e11, 16384, 1.6e7)],
)
def test_layouts_fit_and_hardly_idle(params: float, devices: int, batch: float) -> None:
    shape = nearest_shape(params)
    assert shape is not None
    found = place(shape.architecture, H100, devices, batch)
    assert found is not None
    assert found.layout.devices == devices
    assert found.memory.total <= H100.memory_bytes
    assert found.layout.bubble <= 0.1
    assert found.layout.batch_sequences * 4096 == pytest.approx(batch, rel=0.5)


def test_memory_is_bought_with_more_sharding_and_more_work() -> None:
    shape = nearest_shape(4e11)
    assert shape is not None
    wide = place(shape.architecture, H100, 16384, 1.6e7)
    assert wide is not None and wide.layout.zero_stage == 3


def test_nothing_fits_a_single_node() -> None:
    shape = nearest_shape(7e10)
    assert shape is not None
    assert place(shape.architecture, H100, 8, 4e6) is None
