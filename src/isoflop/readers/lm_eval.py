"""lm-evaluation-harness: `results_<time>.json`, one model's scores with their standard errors.

    "results": {"arc_easy": {"alias": "arc_easy", "acc,none": 0.61, "acc_stderr,none": 0.01, …}, …}

A score becomes the column `eval:TASK` (the metric `acc` where there is one, else the first) and its error
`eval:TASK:se`; other metrics of a task are `eval:TASK:METRIC`. Results are joined to the run of the model's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from isoflop.errors import InputError
from isoflop.readers.log import RunLog, number_of
from isoflop.readers.sidecars import read_json_object
from isoflop.readers.source import LogSource

_FIRST_CHOICES = ("acc", "exact_match", "word_perplexity", "pass@1")


def is_lm_eval(document: object) -> bool:
    """Whether a JSON document holds results of the harness."""
    if not isinstance(document, dict) or not isinstance(document.get("results"), dict):
        return False
    return "versions" in document or "n-shot" in document or "configs" in document


def read_lm_eval(source: LogSource) -> Iterator[RunLog]:
    """The model whose results are the files of `source`; later files win.

    Raises:
        InputError: a file holds no results.
    """
    evals: dict[str, float] = {}
    facts: dict[str, float | str] = {}
    name = source.name
    for path in source.files:
        document = read_json_object(path)
        if not is_lm_eval(document):
            raise InputError(f"{path} holds no results of lm-eval.")
        for task, scores in document["results"].items():
            if isinstance(scores, dict):
                evals |= _scores(str(task), scores)
        model = _model(document, path)
        name = model.rstrip("/").rsplit("/", 1)[-1] or name
        facts["model_path"] = model
        config = document.get("config")
        params = number_of(config.get("model_num_parameters")) if isinstance(config, dict) else None
        if params is not None and params > 0:
            facts["params_total"] = params
    if not evals:
        raise InputError(f"{source.files[-1]} holds no score.")
    yield RunLog(name, str(source.files[-1]), {}, facts=facts, evals=evals)


def _scores(task: str, scores: Mapping[str, Any]) -> dict[str, float]:
    values = {key: number for key, value in scores.items() if (number := number_of(value)) is not None}
    named = {key.partition(",")[0]: key for key in reversed(values) if "_stderr" not in key}
    if not named:
        return {}
    main = next((choice for choice in _FIRST_CHOICES if choice in named), next(reversed(named)))
    found: dict[str, float] = {}
    for metric, key in named.items():
        column = f"eval:{task}" if metric == main else f"eval:{task}:{metric}"
        found[column] = values[key]
        # The filter stands behind the comma in both: "acc,none" and "acc_stderr,none".
        error = values.get(f"{metric}_stderr,{key.partition(',')[2]}" if "," in key else f"{metric}_stderr")
        if error is not None:
            found[f"{column}:se"] = error
    return found


def _model(document: Mapping[str, Any], path: Path) -> str:
    config = document.get("config")
    arguments = config.get("model_args", "") if isinstance(config, dict) else ""
    if isinstance(arguments, dict):
        return str(arguments.get("pretrained", path.parent.name))
    for part in str(arguments).split(","):
        if part.startswith("pretrained="):
            return part.removeprefix("pretrained=")
    return str(document.get("model_name") or path.parent.name)
