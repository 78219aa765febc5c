"""Columns that follow from others, each said aloud, and the questions that only the user can answer.

    loss      from perplexity, bits per token, bits per byte, nats per sequence
    tokens    from sequences x context, or steps x batch
    C = 6 N D fills the one of the three that is missing

A question is a finding with the code `ask-COLUMN`; it becomes a refusal when that column is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from isoflop.findings import Finding
from isoflop.readers.loss_unit import convert_loss, unit_of
from isoflop.readers.metrics import metric_of, plainest
from isoflop.readers.wording import listed
from isoflop.runs.table import RunTable


def derive(table: RunTable, units: Mapping[str, str]) -> RunTable:
    """The table with what follows from its columns; `units` are those written into headers, by standard column."""
    if (unit := unit_of(units.get("loss", ""))) and not table.has("loss_unit"):
        table = table.with_columns({"loss_unit": np.full(len(table), unit, dtype=object)})
    for step in (_loss, _tokens, _six_nd, _horizon):
        table = step(table)
    return table


def _is_number(table: RunTable, *names: str) -> bool:
    return all(table.has(name) and table[name].dtype != object for name in names)


def _note(code: str, message: str) -> Finding:
    return Finding(code, "note", message)


def _loss(table: RunTable) -> RunTable:
    if not table.has("loss"):
        table = _loss_of_another_measure(table)
    if not table.has("loss"):
        table = _plainest_loss(table)
    return convert_loss(table)


def _loss_of_another_measure(table: RunTable) -> RunTable:
    """The loss from the first of the columns that measure the same in other words."""
    if _is_number(table, "perplexity"):
        return _filled(table, "perplexity", "nats per token", "the logarithm of perplexity", _logarithm)
    if _is_number(table, "bits_per_token"):
        return _filled(table, "bits_per_token", "bits per token", "bits per token", lambda values: values)
    if _is_number(table, "bits_per_byte"):
        return _filled(table, "bits_per_byte", "bits per byte", "bits per byte", lambda values: values)
    if _is_number(table, "loss_per_sample"):
        return _filled(table, "loss_per_sample", "nats per sample", "nats per sequence", lambda values: values)
    return table


def _filled(
    table: RunTable, name: str, unit: str, how: str, function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> RunTable:
    units = {} if table.has("loss_unit") else {"loss_unit": np.full(len(table), unit, dtype=object)}
    table = table.with_columns({"loss": function(table[name]), **units})
    return table.with_findings(_note("derived-loss", f"There is no column for the loss; it was filled in as {how}."))


def _logarithm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(values)


def _plainest_loss(table: RunTable) -> RunTable:
    """The loss from the one held-out loss among the columns; a question when there are several."""
    if any(finding.code == "ask-loss" for finding in table.findings):
        return table
    metrics = [metric_of(name) for name in table.columns if table[name].dtype != object]
    found = plainest(metrics, "held-out loss")
    if len(found) == 1:
        message = f"`loss` is {found[0].name}, the plainest held-out loss there is; --map COLUMN=loss takes another."
        return table.with_columns({"loss": table[found[0].name]}).with_findings(_note("loss-chosen", message))
    if found:
        names = listed([metric.name for metric in found], 6)
        message = (
            f"There are {len(found)} held-out losses ({names}) and none is plainer than the others: say which is the "
            f"loss, as with --map '{found[0].name}=loss'."
        )
        return table.with_findings(Finding("ask-loss", "warn", message))
    return table


def _tokens(table: RunTable) -> RunTable:
    if table.has("tokens") or _is_number(table, "params", "compute"):
        return table
    if _is_number(table, "samples_seen", "context"):
        return _filled_tokens(table, table["samples_seen"] * table["context"], "samples_seen x context")
    if _is_number(table, "step", "batch_tokens"):
        return _filled_tokens(table, table["step"] * table["batch_tokens"], "step x batch_tokens")
    if _is_number(table, "step", "batch_size") and (table.has("batch_unit") or table.has("context")):
        return _tokens_of_batches(table)
    if _is_number(table, "samples_seen"):
        return _asking(table, "samples_seen counts sequences, and their length is not said: say --set context=2048.")
    if _is_number(table, "step", "batch_size"):
        return _asking(
            table,
            "how many tokens batch_size stands for is not said: say --set batch_unit=tokens, or "
            "--set batch_unit=sequences --set context=2048.",
        )
    return table


def _tokens_of_batches(table: RunTable) -> RunTable:
    units = set(table["batch_unit"].tolist()) if table.has("batch_unit") else set()
    if units == {"tokens"}:
        return _filled_tokens(table, table["step"] * table["batch_size"], "step x batch_size, in tokens")
    if units == {"sequences"} and _is_number(table, "context"):
        tokens = table["step"] * table["batch_size"] * table["context"]
        return _filled_tokens(table, tokens, "step x batch_size x context")
    if units == {"sequences"}:
        return _asking(table, "the length of a sequence is not said: say --set context=2048.")
    return _asking(
        table,
        "whether batch_size counts sequences or tokens is not said: say --set batch_unit=sequences or "
        "--set batch_unit=tokens.",
    )


def _asking(table: RunTable, question: str) -> RunTable:
    return table.with_findings(Finding("ask-tokens", "warn", f"There is no column for tokens, and {question}"))


def _filled_tokens(table: RunTable, tokens: NDArray[np.float64], how: str) -> RunTable:
    note = _note("derived-tokens", f"There is no column for tokens; it was filled in as {how}.")
    return table.with_columns({"tokens": tokens}).with_findings(note)


def _six_nd(table: RunTable) -> RunTable:
    """Fill in the one of params, tokens and compute that is not given, by C = 6·N·D, and say so."""
    there = {name: _is_number(table, name) for name in ("params", "tokens", "compute")}
    if list(there.values()).count(False) != 1 or any(table.has(name) != is_there for name, is_there in there.items()):
        return table
    if not there["compute"]:
        filled, formula = {"compute": table.compute()}, "compute = 6 x params x tokens"
    elif not there["tokens"]:
        filled, formula = {"tokens": table.tokens()}, "tokens = compute / (6 x params)"
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            filled = {"params": table["compute"] / (6.0 * table["tokens"])}
        formula = "params = compute / (6 x tokens)"
    (name,) = filled
    note = _note(f"derived-{name}", f"There is no column for {name}; it was filled in as {formula}.")
    return table.with_columns(filled).with_findings(note)


def _horizon(table: RunTable) -> RunTable:
    """The tokens that the schedule was made for, where planned and taken steps are both given."""
    if table.has("horizon_tokens") or not _is_number(table, "tokens", "step", "total_steps"):
        return table
    with np.errstate(divide="ignore", invalid="ignore"):
        horizon = table["tokens"] * table["total_steps"] / table["step"]
    note = _note("derived-horizon", "horizon_tokens was filled in as tokens x total_steps / step.")
    return table.with_columns({"horizon_tokens": horizon}).with_findings(note)
