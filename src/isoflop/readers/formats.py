"""Every format of logs that is read, by name, in the order in which one is preferred where a run is logged twice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import MappingProxyType

from isoflop.readers.curve_csv import read_curve_csv, read_curve_parquet
from isoflop.readers.json_log import LEVANTER, LINGUA, OLMO_CORE, PLAIN, JsonLog, read_json_log
from isoflop.readers.lm_eval import read_lm_eval
from isoflop.readers.log import RunLog
from isoflop.readers.maxtext import MAXTEXT, MAXTEXT_JSON
from isoflop.readers.megatron import MEGATRON, NEOX
from isoflop.readers.mlflow import read_mlflow_files, read_mlflow_sql
from isoflop.readers.modded_nanogpt import MODDED_NANOGPT
from isoflop.readers.nanochat import NANOCHAT
from isoflop.readers.nanogpt import NANOGPT
from isoflop.readers.source import LogReader, LogSource
from isoflop.readers.tensorboard import read_tensorboard
from isoflop.readers.text_log import TextLog, read_text_log
from isoflop.readers.torchtitan import TORCHTITAN
from isoflop.readers.trackio import read_trackio
from isoflop.readers.trainer_state import read_trainer_state
from isoflop.readers.wandb import read_wandb
from isoflop.readers.wandb_ui import read_wandb_ui

TEXT_LOGS: tuple[TextLog, ...] = (NANOCHAT, NEOX, MEGATRON, TORCHTITAN, MODDED_NANOGPT, MAXTEXT, NANOGPT)
"""Printed logs, the more particular before the more general."""

JSON_LOGS: tuple[JsonLog, ...] = (LINGUA, OLMO_CORE, LEVANTER, MAXTEXT_JSON)

_TEXT_NAMES = {
    "nanochat": NANOCHAT,
    "neox": NEOX,
    "megatron": MEGATRON,
    "torchtitan": TORCHTITAN,
    "modded-nanogpt": MODDED_NANOGPT,
    "maxtext": MAXTEXT,
    "nanogpt": NANOGPT,
}
_JSON_NAMES = {
    "lingua": LINGUA,
    "olmo-core": OLMO_CORE,
    "levanter": LEVANTER,
    "maxtext-json": MAXTEXT_JSON,
    "json-log": PLAIN,
}

READERS: MappingProxyType[str, LogReader] = MappingProxyType(
    {
        "trainer-state": read_trainer_state,
        "wandb": read_wandb,
        "mlflow": read_mlflow_sql,
        "mlflow-files": read_mlflow_files,
        "trackio": read_trackio,
        "tensorboard": read_tensorboard,
        **{name: partial(read_json_log, log=log) for name, log in _JSON_NAMES.items()},
        "wandb-export": read_wandb_ui,
        "csv-log": read_curve_csv,
        "parquet-log": read_curve_parquet,
        **{name: partial(read_text_log, log=log) for name, log in _TEXT_NAMES.items()},
        "lm-eval": read_lm_eval,
    }
)
"""Formats of logs and their readers, the preferred first."""


def read_logs(source: LogSource) -> Iterator[RunLog]:
    """The runs of a source, by the reader of its format."""
    return READERS[source.format](source)


def name_of_text_log(head: str) -> str | None:
    """The printed log that begins with `head`, by the format that most of its lines are of; None when it is none."""
    counts = {name: log.matches(head) for name, log in _TEXT_NAMES.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] >= 1 else None


def name_of_json_log(records: list[dict[str, object]]) -> str | None:
    """The log of JSON lines that begins with `records`, or None."""
    for name, log in _JSON_NAMES.items():
        if any(log.matches(record) for record in records):
            return name
    return None
