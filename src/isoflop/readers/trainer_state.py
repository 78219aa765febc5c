"""Hugging Face Trainer: `trainer_state.json` in the output folder and in each `checkpoint-N/`.

Its log holds training rows (`loss`) and evaluation rows (`eval_loss`) by step. The `train_loss` of the last row is a
mean over the run, not its last loss. `total_flos` is 6 x parameters without embeddings x tokens, checked on runs of
transformers 5.24; the parameters come from the shapes in `model.safetensors` where that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import InputError
from isoflop.readers.log import Recorder, RunLog, Series, flattened, number_of
from isoflop.readers.metrics import Meaning
from isoflop.readers.sidecars import read_json_object
from isoflop.readers.source import LogSource
from isoflop.readers.weights import count_weights

_NOT_METRICS = frozenset({"step", "train_loss", "total_flos"})
_ARCHITECTURE = (
    *("n_layer", "num_hidden_layers", "n_embd", "hidden_size", "n_head", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "intermediate_size", "n_inner", "vocab_size", "num_local_experts", "num_experts_per_tok"),
)


def read_trainer_state(source: LogSource) -> Iterator[RunLog]:
    """The run whose states are the files of `source`; the one that went furthest holds the whole log.

    Raises:
        InputError: none of the states can be read.
    """
    states = [(path, state) for path in source.files if (state := _state(path, only=len(source.files) == 1))]
    if not states:
        raise InputError(f"{source.place}: none of its trainer_state.json files can be read.")
    path, state = max(states, key=lambda item: (number_of(item[1].get("global_step")) or 0.0, -len(item[0].parts)))
    series, overlap = _history(path, state).stitched()
    config, notes = _settings((path.parent, source.place))
    yield RunLog(
        source.name,
        str(source.place),
        series,
        facts=_facts(state, series, (path.parent, source.place)),
        config=config,
        meanings=_meanings(series),
        overlap=overlap,
        notes=notes,
    )


def _state(path: Path, *, only: bool) -> dict[str, Any] | None:
    try:
        state = read_json_object(path)
    except InputError:
        if only:
            raise
        return None
    if isinstance(state.get("log_history"), list):
        return state
    if only:
        raise InputError(f"{path} has no log_history: it is not the state of a Trainer.")
    return None


def _history(path: Path, state: Mapping[str, Any]) -> Recorder:
    recorder = Recorder()
    for number, row in enumerate(state["log_history"]):
        if not isinstance(row, dict):
            raise InputError(f"{path}: entry {number} of log_history is no object.")
        step = number_of(row.get("step"))
        if step is None:
            continue
        for name, value in row.items():
            logged = number_of(value)
            if logged is not None and name not in _NOT_METRICS:
                recorder.add(step, name, logged)
    return recorder


def _meanings(series: Mapping[str, Series]) -> dict[str, Meaning]:
    return {"loss": "training loss"} if "loss" in series else {}


def _facts(state: Mapping[str, Any], series: Mapping[str, Series], folders: tuple[Path, ...]) -> dict[str, float | str]:
    facts: dict[str, float | str] = {}
    planned, epoch = number_of(state.get("max_steps")), number_of(state.get("epoch"))
    if planned and planned > 0:
        facts["total_steps"] = planned
    if epoch is not None:
        facts["epochs"] = epoch
    flos, seen = number_of(state.get("total_flos")) or 0.0, number_of(state.get("num_input_tokens_seen")) or 0.0
    weights = next((count for folder in folders if (count := count_weights(folder)) is not None), None)
    if weights is not None:
        facts |= {"params_total": float(weights.total), "params_non_embedding": float(weights.non_embedding)}
    elif flos and seen:
        facts["params_non_embedding"] = flos / (FLOP_PER_PARAMETER_AND_TOKEN * seen)
    if flos:
        facts["compute"] = flos
    if "num_input_tokens_seen" not in series:
        if seen:
            facts["tokens"] = seen
        elif flos and weights is not None and weights.non_embedding:
            facts["tokens"] = flos / (FLOP_PER_PARAMETER_AND_TOKEN * weights.non_embedding)
    return facts


def _settings(folders: tuple[Path, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the architecture is, from the `config.json` beside the state."""
    for folder in folders:
        place = folder / "config.json"
        if place.is_file():
            try:
                config = flattened(read_json_object(place))
            except InputError:
                return {}, ("A config.json that cannot be read is left out.",)
            return {name: config[name] for name in _ARCHITECTURE if config.get(name) is not None}, ()
    return {}, ()


def is_trainer_state(document: object) -> bool:
    """Whether a JSON document is the state of a Trainer."""
    return isinstance(document, dict) and "log_history" in document and "global_step" in document
