"""Everything the README shows is run: Python blocks and `isoflop` commands, in order, beside the example table.

A block is ```python, ```bash, or one that is not code (text, json, toml, bibtex); nothing else is allowed, so that
nothing escapes. In bash blocks a line is a comment, an `isoflop` command, a `make` target that exists, or one of the
few commands that get the package. Commands that train are asked for their help instead, which must know every option.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from isoflop.readers.examples import example_runs

NOT_CODE = {"text", "json", "toml", "bibtex", "csv"}
TRAINING = {"demo", "run"}
GETTING = ("git clone ", "cd ", "pip install ", "python -m pip install ", "python3 -m pip install ", "python -m venv ")
RUN_ISOFLOP = "import sys; sys.argv[0] = 'isoflop'; from isoflop.cli.main import main; main()"


def readme(repository: Path) -> str:
    path = repository / "README.md"
    assert path.exists(), "README.md is missing"
    return path.read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", text, re.M | re.S)


def lines_of_shell(text: str) -> list[str]:
    joined = "\n".join(body for language, body in blocks(text) if language == "bash").replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory with the example table as `runs.csv`."""
    shutil.copy(example_runs(), tmp_path / "runs.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def isoflop(arguments: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN_ISOFLOP, *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=250, check=False)


def test_every_block_is_of_a_kind_that_is_checked(repository: Path) -> None:
    kinds = {language for language, _ in blocks(readme(repository))}
    assert kinds <= NOT_CODE | {"python", "bash"}
    assert {"python", "bash"} <= kinds
    assert readme(repository).count("```") == 2 * len(blocks(readme(repository)))


def test_python_blocks_run(repository: Path, desk: Path) -> None:
    namespace: dict[str, object] = {"__name__": "readme"}
    for language, body in blocks(readme(repository)):
        if language == "python":
            exec(compile(body, "README.md", "exec"), namespace)


def test_commands_run(repository: Path, desk: Path) -> None:
    commands = [shlex.split(line, comments=True) for line in lines_of_shell(readme(repository))]
    ours = [words[1:] for words in commands if words[0] == "isoflop"]
    assert ours, "the README shows no isoflop command"
    for arguments in ours:
        if arguments[0] in TRAINING:
            shown = isoflop([arguments[0], "--help"], desk)
            options = [word.split("=")[0] for word in arguments if word.startswith("--")]
            assert shown.returncode == 0, shown.stderr
            assert [option for option in options if option not in shown.stdout] == []
        else:
            done = isoflop(arguments, desk)
            assert done.returncode == 0, f"isoflop {shlex.join(arguments)}\n{done.stdout}\n{done.stderr}"


def test_every_other_command_is_a_known_one(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(encoding="utf-8"), re.M))
    for line in lines_of_shell(readme(repository)):
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            named = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
            assert named, line
            assert set(named) <= targets, line
        else:
            assert words[0] == "isoflop" or line.startswith(GETTING), f"this command is not checked: {line}"


def test_links_inside_the_repository_lead_somewhere(repository: Path) -> None:
    text = readme(repository)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    local = [link.split("#")[0] for link in links if not re.match(r"https?:|#", link)]
    assert [link for link in local if not (repository / link).exists()] == []
