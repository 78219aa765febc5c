"""Every analysis by the name that a study file gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from isoflop.studies.analyses import allocation, architecture, size_and_data, texts, training
from isoflop.studies.analyses.analysis import Analysis, Evidence

ANALYSES: Mapping[str, Callable[[Evidence], Analysis]] = MappingProxyType(
    {
        "model-size": size_and_data.model_size,
        "data-size": size_and_data.data_size,
        "compute": size_and_data.compute,
        "overfit": size_and_data.overfit,
        "steps": size_and_data.steps,
        "sample-efficiency": size_and_data.sample_efficiency,
        "stop-early": size_and_data.stop_early,
        "power-vs-log": size_and_data.power_against_log,
        "allocation": allocation.three_approaches,
        "embedding": allocation.embedding,
        "kaplan-vs-chinchilla": allocation.kaplan_against_chinchilla,
        "known-entropy": allocation.known_entropy,
        "repeat": allocation.repeat,
        "batch": training.batch,
        "learning-rate": training.learning_rate,
        "schedule": training.schedule,
        "optimizer": training.optimizer,
        "shape": architecture.shape,
        "lstm": architecture.lstm,
        "context": architecture.context,
        "recurrent": architecture.recurrent,
        "transfer": texts.transfer,
        "mixture": texts.mixture,
        "emergence": texts.emergence,
    }
)
