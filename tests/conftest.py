"""What every test may use: the repository, the example table, and the public data where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The directory of public run data; tests that need it are skipped where `ISOFLOP_DATA` is not set."""
    place = os.environ.get("ISOFLOP_DATA")
    if not place:
        pytest.skip("ISOFLOP_DATA is not set: it names the directory of public run data")
    return Path(place)
