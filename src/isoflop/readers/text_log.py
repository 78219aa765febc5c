"""Logs that a training script prints, read line by line by the patterns of its format.

A format is declared: patterns whose named groups are metrics at a step, and patterns whose groups are facts about the
run. Colours and progress bars are stripped; a line of several thousand characters is no line of a log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from isoflop.errors import InputError, UsageError
from isoflop.quantities import ParamCount
from isoflop.readers.log import Recorder, RunLog, summed
from isoflop.readers.metrics import Meaning
from isoflop.readers.numbers import plain_number, quantity
from isoflop.readers.source import LogSource
from isoflop.readers.text import open_lines
from isoflop.runs.columns import column_named

LONGEST_LINE = 8_000
ENOUGH_MATCHES = 2
"""Lines of a format that a file must hold to be taken for it; a single one may be chance."""

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
NUMBER = r"[+-]?(?:nan|inf(?:inity)?|[\d,]*\.?\d+(?:[eE][+-]?\d+)?)"
"""A number as Python formats it, to be put into a pattern."""

Facts = dict[str, float | str]


@dataclass(frozen=True)
class LinePattern:
    """A line that says something: `must` is a text that it contains, `regex` names what it gives.

    The group `step` is the step, `of` the planned steps; other groups are metrics (or facts), called as `names` says.
    Without a group `step` the last step that was seen holds.
    """

    must: str
    regex: re.Pattern[str]
    names: Mapping[str, str] = field(default_factory=dict)


def line(must: str, regex: str, **names: str) -> LinePattern:
    """A pattern in which `#` stands for a number."""
    return LinePattern(must, re.compile(regex.replace("#", NUMBER), re.IGNORECASE), names)


def nothing_more(facts: Facts) -> Facts:
    """What follows from the facts of a format in which nothing does."""
    return {}


@dataclass(frozen=True)
class TextLog:
    """A format of printed logs: its `name`, its lines, what its metrics mean, and what follows from its facts.

    `tokens_of_step` is a metric that counts the tokens of one step.
    """

    name: str
    metrics: tuple[LinePattern, ...]
    facts: tuple[LinePattern, ...] = ()
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    param_count: ParamCount = "unspecified"
    completed: Callable[[Facts], Facts] = nothing_more
    tokens_of_step: str = ""
    notes: tuple[str, ...] = ()

    def matches(self, head: str) -> int:
        """How many lines of the beginning of a file are lines of this format."""
        return sum(
            1
            for text in head.splitlines()
            if len(text) < LONGEST_LINE
            for pattern in self.metrics
            if pattern.must in text and pattern.regex.search(_plain(text))
        )


def read_text_log(source: LogSource, log: TextLog) -> Iterator[RunLog]:
    """The run whose printed log is the files of `source`.

    Raises:
        InputError: no line of the format is in them.
    """
    recorder, facts = Recorder(), Facts()
    step = 0.0
    for path in source.files:
        recorder.begin_piece()
        with open_lines(path) as lines:
            for text in lines:
                if len(text) < LONGEST_LINE:
                    step = _take(log, recorder, facts, _plain(text), step)
    if not recorder:
        raise InputError(f"{source.files[0]} holds no line of a {log.name} log.")
    series, overlap = recorder.stitched()
    if log.tokens_of_step in series:
        series["total_tokens"] = summed(series.pop(log.tokens_of_step))
    facts |= log.completed(facts)
    known = {name: value for name, value in facts.items() if column_named(name) is not None}
    yield RunLog(
        source.name,
        str(source.place if len(source.files) > 1 else source.files[0]),
        series,
        facts=known,
        config={name: value for name, value in facts.items() if name not in known},
        meanings={name: meaning for name, meaning in log.meanings.items() if name in series},
        param_count=log.param_count if "params" in known else "unspecified",
        overlap=overlap,
        notes=log.notes if "params" in known else (),
    )


def _plain(text: str) -> str:
    return _ANSI.sub("", text) if "\x1b" in text else text


def _take(log: TextLog, recorder: Recorder, facts: Facts, text: str, step: float) -> float:
    """One line; the step that holds after it."""
    for pattern in log.metrics:
        if pattern.must in text and (match := pattern.regex.search(text)):
            values = match.groupdict()
            step = _number(values.pop("step", None), step) or 0.0
            planned = _number(values.pop("of", None), None)
            if planned:
                facts["total_steps"] = planned
            for name, value in values.items():
                number = _number(value, None)
                if number is not None:
                    recorder.add(step, pattern.names.get(name, name), number)
    for pattern in log.facts:
        if pattern.must in text and (match := pattern.regex.search(text)):
            for name, value in match.groupdict().items():
                if value is not None:
                    facts[pattern.names.get(name, name)] = _fact(pattern.names.get(name, name), value)
    return step


def _number(text: str | None, otherwise: float | None) -> float | None:
    if text is None:
        return otherwise
    number = plain_number(text.replace(",", "").strip())
    return otherwise if number is None else number


def _fact(name: str, text: str) -> float | str:
    column = column_named(name)
    if column is None or column.kind is None:
        number = plain_number(text)
        return text if number is None or number != number else number
    try:
        return quantity(text.strip().rstrip("."), column.kind)
    except UsageError:
        return text
