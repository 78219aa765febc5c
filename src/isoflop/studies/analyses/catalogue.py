"""Every analysis by the name that a study file gives it; its code is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isoflop.studies.analyses.analysis import Analysis, Evidence

ANALYSES: Mapping[str, str] = MappingProxyType(
    {
        "model-size": "size_and_data.model_size",
        "data-size": "size_and_data.data_size",
        "compute": "size_and_data.compute",
        "overfit": "size_and_data.overfit",
        "steps": "size_and_data.steps",
        "sample-efficiency": "size_and_data.sample_efficiency",
        "stop-early": "size_and_data.stop_early",
        "power-vs-log": "size_and_data.power_against_log",
        "allocation": "allocation.three_approaches",
        "embedding": "allocation.embedding",
        "kaplan-vs-chinchilla": "allocation.kaplan_against_chinchilla",
        "known-entropy": "allocation.known_entropy",
        "repeat": "allocation.repeat",
        "batch": "training.batch",
        "learning-rate": "training.learning_rate",
        "schedule": "training.schedule",
        "optimizer": "training.optimizer",
        "shape": "architecture.shape",
        "lstm": "architecture.lstm",
        "context": "architecture.context",
        "recurrent": "architecture.recurrent",
        "transfer": "texts.transfer",
        "mixture": "texts.mixture",
        "emergence": "texts.emergence",
    }
)
"""The module of this package and the function in it, by name: `status` knows the names and waits for none of them."""


def find_analysis(name: str) -> Callable[[Evidence], Analysis]:
    """The function of the analysis called `name`, one of `ANALYSES`."""
    module, function = ANALYSES[name].split(".")
    found: Callable[[Evidence], Analysis] = getattr(import_module(f"isoflop.studies.analyses.{module}"), function)
    return found
