"""The command line in this process: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from isoflop.cli.main import run
from isoflop.readers.examples import example_runs


@dataclass(frozen=True)
class Ending:
    code: int
    stdout: str
    stderr: str

    @property
    def record(self) -> dict[str, Any]:
        """Stdout as the one JSON object it must be."""
        record = json.loads(self.stdout)
        assert isinstance(record, dict)
        return record


Command = Callable[..., Ending]


@pytest.fixture
def isoflop(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command; whatever it is, no traceback may be seen."""

    def command(*arguments: str | Path) -> Ending:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return Ending(code, told.out, told.err)

    return command


@pytest.fixture(scope="session")
def table() -> Path:
    return example_runs()


@pytest.fixture(scope="session")
def saved_fit(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit of the ladder of the example, with enough draws for intervals."""
    place = tmp_path_factory.mktemp("fit") / "fit.json"
    assert (
        run(
            [
                "fit",
                str(table),
                "--law",
                "chinchilla",
                "--where",
                "held_out == 0",
                "--draws",
                "200",
                "--json",
                "--out",
                str(place),
            ]
        )
        == 0
    )
    return place
