"""The command line from outside: how fast help is, what importing loads, pipes, signals, `python -m isoflop`."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from isoflop.cli.main import COMMANDS, cli
from tests.cli.conftest import Command

HEAVY = {"numpy", "scipy", "torch", "altair", "pydantic", "rich", "jinja2"}


def python(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches(name: str, isoflop: Command) -> None:
    ended = isoflop(name, "--help")
    assert ended.code == 0
    assert "Example" in ended.stdout and f"isoflop {name}" in ended.stdout
    assert "--json" in ended.stdout and "--debug" in ended.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_itself(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.name == name and command.help is not None
    assert command.help.splitlines()[0] == COMMANDS[name]
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.name} has no help"


@pytest.mark.parametrize("name", ["fit", "forecast", "backtest", "demo", "run", "report"])
def test_computing_commands_take_the_promised_options(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    names = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--force", "--debug"} <= names


def test_help_is_quick_and_loads_nothing_heavy(repository: Path) -> None:
    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    python(repository, "-m", "isoflop", "--help")
    before = seconds()
    ended = python(repository, "-m", "isoflop", "--help")
    assert ended.returncode == 0 and "demo" in ended.stdout
    assert seconds() - before < 0.5
    code = "import sys; from isoflop.cli.main import run; run(['--help']); print('LOADED', *sys.modules)"
    loaded = python(repository, "-c", code).stdout.rsplit("LOADED", 1)[1].split()
    assert "click" in loaded and HEAVY.isdisjoint(loaded)


def test_version(isoflop: Command) -> None:
    assert isoflop("--version").stdout.startswith("isoflop ")


def test_python_dash_m(repository: Path, table: Path) -> None:
    ended = python(repository, "-m", "isoflop", "read", str(table))
    assert ended.returncode == 0 and "25 rows" in ended.stdout and ended.stderr == ""
    assert python(repository, "-m", "isoflop", "read", "nosuch.csv").returncode == 2


def test_a_reader_that_goes_away_is_no_error(repository: Path) -> None:
    command = f"{sys.executable} -m isoflop laws --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
    assert ended.returncode in (0, 141)
    assert ended.stderr == ""


def test_sigterm_ends_with_143(repository: Path) -> None:
    code = (
        "import isoflop.cli.laws, time, isoflop.laws.catalogue as catalogue\n"
        "from isoflop.cli.main import main\n"
        "def wait(name):\n    print('ready', flush=True)\n    time.sleep(30)\n"
        "catalogue.find = wait\n"
        "main(['laws', 'chinchilla'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert time.monotonic() - began < 5
