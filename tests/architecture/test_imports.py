"""What an import costs: `import isoflop` loads no array, fitting, training or chart library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "scipy", "torch", "altair", "pandas", "pydantic", "rich")


def loaded_by(statement: str, repository: Path) -> set[str]:
    code = f"import sys; sys.path.insert(0, {str(repository / 'src')!r}); {statement}; print(*sys.modules)"
    # Isolated from the tester's own start-up files, which may import anything.
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy(repository: Path) -> None:
    loaded = loaded_by("import isoflop", repository)
    assert "isoflop" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("module", ["errors", "findings", "records", "quantities", "accounting.shape", "expressions"])
def test_the_lowest_layers_do_without_numpy(module: str, repository: Path) -> None:
    loaded = loaded_by(f"import isoflop.{module}", repository)
    assert f"isoflop.{module}" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_reading_tables_needs_no_frame_library(repository: Path) -> None:
    loaded = loaded_by("from isoflop.readers.read import read_runs; read_runs({'N': [1e6], 'loss': [3.0]})", repository)
    assert "numpy" in loaded
    assert loaded.isdisjoint({"pandas", "polars", "pyarrow", "torch", "altair", "scipy"})
