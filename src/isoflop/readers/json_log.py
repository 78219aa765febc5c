"""Logs of JSON lines, one record a step, read by the declaration of their format; other text between them is skipped.

lingua       {"global_step": 100, "loss/out": 4.2, "optim/total_tokens": 1e7, …}
OLMo-core    {"step": 100, "train/CE loss": 4.2, "throughput/total tokens": 1e7, …}
Levanter     … {"tracker": "json_logger", "event": "log", "step": 100, "metrics": {"train/loss": 4.2, …}}
MaxText      see maxtext.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoflop.errors import InputError
from isoflop.readers.curve_csv import is_curve
from isoflop.readers.log import Recorder, RunLog, flattened, number_of, summed
from isoflop.readers.metrics import Meaning, metric_of
from isoflop.readers.source import LogSource
from isoflop.readers.text import open_lines, read_text

LARGEST_DOCUMENT = 16 << 20
"""Bytes of a file that is read as one JSON document where no line of it is one."""


@dataclass(frozen=True)
class JsonLog:
    """A format of JSON lines: the keys it is `known_by`, where its step stands, and what its metrics mean.

    `nested` is the key under which metrics stand, `tokens_of_step` a metric that counts the tokens of one step. With
    `step_in_name` a record may leave its step to the name of the file, or be the final one of a run.
    """

    name: str
    known_by: tuple[str, ...]
    step: tuple[str, ...]
    run: str = ""
    nested: str = ""
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    tokens_of_step: str = ""
    step_in_name: bool = False

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is one of this format."""
        has_step = self.step_in_name or any(key in record for key in self.step)
        return has_step and any(key in record for key in self.known_by)


def json_of_line(text: str) -> dict[str, Any] | None:
    """The JSON object on a line, also behind the prefix that a logger writes; None where there is none."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        found = json.loads(text[start:])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_json_log(source: LogSource, log: JsonLog) -> Iterator[RunLog]:
    """The run whose records stand in the files of `source`.

    Raises:
        InputError: no record of the format is in them.
    """
    recorder, config, name = Recorder(), dict[str, Any](), ""
    summary: dict[str, float] = {}
    torn = 0
    for path in sorted(source.files, key=_step_in_name) if log.step_in_name else source.files:
        if not log.step_in_name:
            recorder.begin_piece()
        for record in _records(path):
            if record is None:
                torn += 1
                continue
            config |= _settings(record)
            name = str(record.get(log.run, name)) if log.run else name
            if not _take(recorder, log, record, _step_in_name(path) if log.step_in_name else -1.0):
                summary |= {key: number for key, value in record.items() if (number := number_of(value)) is not None}
    if not log.step_in_name:
        summary = {}
    if not recorder and not summary:
        raise InputError(f"{source.files[0]} holds no record of a {log.name} log.")
    series, overlap = recorder.stitched()
    if log.tokens_of_step in series:
        series = {**series, "total_tokens": summed(series[log.tokens_of_step])}
    yield RunLog(
        name or source.name,
        str(source.place if len(source.files) > 1 else source.files[0]),
        series,
        config=config,
        summary={key: value for key, value in summary.items() if key not in series},
        meanings={key: meaning for key, meaning in log.meanings.items() if key in series or key in summary},
        overlap=overlap,
        notes=("Lines of JSON logs that were torn or damaged are left out.",) if torn else (),
    )


def _records(path: Path) -> Iterator[dict[str, Any] | None]:
    """The records of a file, one a line or one in all; None for a line that is torn."""
    found = False
    torn = 0
    with open_lines(path) as lines:
        for text in lines:
            if "{" in text:
                record = json_of_line(text)
                found = found or record is not None
                torn += record is None
                if record is not None:
                    yield record
    if not found and path.stat().st_size <= LARGEST_DOCUMENT:
        yield json_of_line(read_text(path))
    elif torn:
        yield None


def _step_in_name(path: Path) -> float:
    """The step that a name such as metrics_step1000.json carries; -1 where it carries none."""
    match = re.search(r"step_?(\d{1,12})", path.name)
    return float(match[1]) if match else -1.0


def _take(recorder: Recorder, log: JsonLog, record: Mapping[str, Any], otherwise: float) -> bool:
    """Take the metrics of a record; False where it has no step."""
    step = next((number for key in log.step if (number := number_of(record.get(key))) is not None), otherwise)
    values = record.get(log.nested) if log.nested else record
    if step < 0 or not isinstance(values, dict):
        return False
    for key, value in flattened(values).items():
        number = number_of(value)
        if number is not None and key not in log.step:
            recorder.add(step, key, number)
    return True


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """The settings or the summary that Levanter logs as events of their own."""
    found: dict[str, Any] = {}
    if record.get("event") in ("hparams", "summary", "finish"):
        for key in ("hparams", "summary", "metrics"):
            if isinstance(record.get(key), dict):
                found |= flattened(record[key])
    return found


LINGUA = JsonLog(
    "lingua",
    known_by=("loss/out",),
    step=("global_step",),
    meanings={"loss/out": "training loss", "optim/total_tokens": "tokens"},
)
OLMO_CORE = JsonLog(
    "OLMo-core",
    known_by=("train/CE loss", "train/CrossEntropyLoss", "throughput/total tokens"),
    step=("step", "global_step", "_step"),
    step_in_name=True,
    meanings={"train/CE loss": "training loss", "throughput/total tokens": "tokens"},
)
LEVANTER = JsonLog(
    "Levanter",
    known_by=("tracker",),
    step=("step",),
    nested="metrics",
    run="run_id",
    meanings={"train/loss": "training loss", "eval/loss": "held-out loss", "throughput/total_tokens": "tokens"},
)
PLAIN = JsonLog("JSON lines", known_by=(), step=("step", "_step", "global_step", "iter", "iteration"))
"""Any log of JSON lines with a step and a loss."""


def is_plain_log(record: Mapping[str, Any]) -> bool:
    """Whether a record has a step and a loss, and says nothing that tells runs apart."""
    names = [key for key, value in record.items() if number_of(value) is not None]
    return is_curve(names) and any(metric_of(key).meaning != "other" for key in names)
