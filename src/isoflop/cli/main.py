"""`isoflop`: the group of commands, each loaded when it is asked for, and the one place where errors end.

Exit codes:

    0   done
    1   the question cannot be answered honestly from this data, and `--force` was not given
    2   bad input or usage
    130, 143   interrupted, terminated
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from isoflop.errors import IsoflopError

BROKEN_PIPE, INTERRUPTED, TERMINATED = 141, 130, 143

# command → the sentence `isoflop --help` shows; here, so that showing it loads no command
COMMANDS = {
    "demo": "Train a ladder of small models, forecast a larger one, train it, compare.",
    "read": "Show how tables, logs or a study are read, and write them as one run table.",
    "convert": "Count parameters and compute of a table by another convention.",
    "fit": "Fit a scaling law to runs, with intervals and a certificate.",
    "isoflops": "Find the best model size at each compute budget, and how it grows (Chinchilla approach 2).",
    "envelope": "Find the best model along the envelope of learning curves, and how it grows (Chinchilla approach 1).",
    "backtest": "Hide the largest runs, forecast them, and score the forecasts.",
    "compare": "Say which law forecasts larger runs best, or what one recipe is worth over another.",
    "forecast": "Forecast the loss of a run nobody has trained, with an interval.",
    "plan": "Say what to train for a budget, what it costs and what could go wrong.",
    "design": "Choose the ladder of small runs that best pins down a forecast.",
    "cost": "Say what a training run costs: compute, hours, days, dollars, energy, memory.",
    "laws": "List the laws that can be fitted, or explain one.",
    "diagnostics": "List the codes of warnings, or explain one and what to do about it.",
    "verify": "Derive every number of a saved fit, a report or a whole study again from what it rests on.",
    "report": "Write a report that explains a fit or a study in one HTML file.",
    "checklist": "Fill in what a paper has to report about a fit.",
    "init": "Write the study file of a recipe, to be edited.",
    "recipes": "List the recipes that studies start from.",
    "run": "Train, fit, forecast and compare everything a study file says.",
    "status": "Say how far a study is.",
}


class _Commands(click.Group):
    """The commands of `COMMANDS`, each found in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"isoflop.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        # Docstrings are raw, as their linter wants; click's mark for "keep these lines" is the character itself.
        command.help = (command.help or "").replace("\\b\n", "\b\n")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.UsageError(f"There is no command {args[0]!r}: use one of {', '.join(COMMANDS)}.", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        import isoflop

        click.echo(f"isoflop {isoflop.__version__}")
        context.exit(0)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `isoflop demo`, or on your own runs with `isoflop fit runs.csv`. "
    "`isoflop COMMAND --help` shows examples.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print the version."
)
def cli() -> None:
    """Forecast big models from small ones: fit scaling laws, test them, and plan with them."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of its outcome; no traceback reaches a user."""
    if "_ISOFLOP_COMPLETE" in os.environ:
        cli.main(prog_name="isoflop")
    signal.signal(signal.SIGTERM, _terminate)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not sys.warnoptions and "--debug" not in given:
        # What is worth saying is said as findings; Python's warnings are for developers.
        warnings.simplefilter("ignore")
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command and say how it went as an exit code; every error is told on stderr in one sentence."""
    try:
        with cli.make_context("isoflop", list(arguments)) as context:
            code = int(cli.invoke(context) or 0)
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _tell("stopped by Ctrl-C.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has gone; a second complaint at exit would be printed when stdout is flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _told(error)


def _told(error: Exception) -> int:
    """Tell an error in one sentence; the exit code it deserves."""
    if isinstance(error, IsoflopError):
        _tell(str(error))
        return error.exit_code
    if isinstance(error, MemoryError):
        _tell("there is not enough memory for this: use fewer rows or fewer --draws.")
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        _tell(f"{where}{error.strerror or error}; check the path, its permissions and the free space.")
    else:
        _tell(
            f"isoflop does not handle this case ({type(error).__name__}: {error}), which is a defect of isoflop: "
            "please report it with what the same command prints with --debug."
        )
    return 2


def _tell(sentence: str) -> None:
    click.secho(f"Error: {sentence}", fg="red", err=True)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)
