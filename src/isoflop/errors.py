"""Every error a user can meet, and the exit code the command line gives it.

    IsoflopError                    base; never raised itself
    ├── UsageError (ValueError)     an argument or option is wrong                              exit 2
    ├── InputError (ValueError)     a file or table cannot be read as what it was given for     exit 2
    ├── MissingExtraError           an optional dependency is not installed                     exit 2
    ├── EnvironmentFailure          the disk, the network or a child process failed             exit 2
    └── Refusal                     the data cannot answer the question honestly                exit 1

A message is one sentence that names what is wrong (file, row, column or argument, and its value) followed by
what to do. Outcomes of a computation (a fit that did not converge, a parameter that is open) are not errors:
they are carried in the result.
"""

from __future__ import annotations


class IsoflopError(Exception):
    """Base of all errors that are the caller's to handle; its text is fit to show to a user."""

    exit_code = 2


class UsageError(IsoflopError, ValueError):
    """An argument or option has a value it cannot have; the message names it and the allowed ones."""


class InputError(IsoflopError, ValueError):
    """A file or table cannot be read as given; the message names file, row and column where it can."""


class MissingExtraError(IsoflopError, ImportError):
    """An optional dependency is not installed; the message carries the command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs {package}, which is not installed: run pip install "isoflop[{extra}]".')


class EnvironmentFailure(IsoflopError, RuntimeError):
    """Something outside the program failed (disk full, no network, a worker killed)."""


class Refusal(IsoflopError):
    """The question cannot be answered honestly from this data; `--force` answers anyway, marked as forced."""

    exit_code = 1
