"""Libraries that stand between a program and the system, compiled when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def compiled(name: str, place: Path) -> Path:
    """The library of `<name>_shim.c`, in the directory `place`."""
    program = compiler()
    assert program is not None, "no C compiler"
    library = place / f"{name}_shim.so"
    subprocess.run(
        [program, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCES / f"{name}_shim.c"), "-ldl"],
        check=True,
        capture_output=True,
    )
    return library
