"""Which column is what: synonyms said aloud, rivals, the counts of parameters, and derived columns."""

from __future__ import annotations

import pytest

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.readers.read import explain_runs, read_runs
from isoflop.runs.columns import COLUMNS, recognise, standard_name
from isoflop.runs.table import RunTable


def codes(table: RunTable) -> list[str]:
    return [finding.code for finding in table.findings]


def test_no_spelling_stands_for_two_columns() -> None:
    owners: dict[str, set[str]] = {}
    for column in COLUMNS:
        for spelling in (column.name, *column.synonyms):
            owners.setdefault(standard_name(spelling), set()).add(column.name)
    assert len(owners) >= 80
    assert {spelling: names for spelling, names in owners.items() if len(names) > 1} == {}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("N", "params"),
        ("Model Size", "params"),
        ("Training FLOP", "compute"),
        ("training_tokens", "tokens"),
        ("val/loss", "loss"),
        ("N_no_emb", "params_non_embedding"),
        ("LR", "learning_rate"),
    ],
)
def test_common_names_are_recognised(header: str, name: str) -> None:
    column = recognise(header)
    assert column is not None
    assert column.name == name


def test_renamed_columns_are_said_aloud() -> None:
    table = read_runs({"Model Size": [1e6], "Training FLOP": [6e14], "loss": [4.0]})
    (finding,) = [finding for finding in table.findings if finding.code == "renamed-columns"]
    assert "'Model Size' as params, 'Training FLOP' as compute" in finding.message


def test_where_two_columns_claim_a_name_the_other_keeps_its_own() -> None:
    table = read_runs({"train_tokens": [5.0], "tokens": [1e8], "N": [1e6], "loss": [4.0]})
    assert table["tokens"].tolist() == [1e8]
    assert table["train_tokens"].tolist() == [5.0]


@pytest.mark.parametrize("order", [("Loss", "loss"), ("loss", "Loss")])
def test_the_standard_spelling_wins_over_another_case(order: tuple[str, str]) -> None:
    values = {"Loss": [9.0], "loss": [3.0]}
    table = read_runs({"params": [1e6], **{name: values[name] for name in order}})
    assert (table["loss"].tolist(), table["Loss"].tolist()) == ([3.0], [9.0])


def test_explain_says_what_was_taken_for_what_and_what_was_done() -> None:
    readings = {item.column: item for item in explain_runs({"N": ["7B"], "D": [1e9], "colour": ["red"], "loss": [3]})}
    assert readings["N"].taken_for == "params"
    assert readings["N"].done == "units and suffixes resolved"
    assert readings["D"].done == "read as numbers"
    assert readings["colour"].done == "kept as text"
    assert readings["colour"].why == "not a name that is understood"


@pytest.mark.parametrize(
    ("columns", "name", "value"),
    [
        ({"params": [1e6], "tokens": [1e8]}, "compute", 6e14),
        ({"params": [1e6], "compute": [6e14]}, "tokens", 1e8),
        ({"tokens": [1e8], "compute": [6e14]}, "params", 1e6),
    ],
)
def test_the_missing_one_of_n_d_c_is_filled_in_and_said(
    columns: dict[str, list[float]], name: str, value: float
) -> None:
    table = read_runs({**columns, "loss": [3.0]})
    assert table[name].tolist() == [value]
    assert f"derived-{name}" in codes(table)


def test_what_params_counts_is_chosen_labelled_or_left_unspecified() -> None:
    both = {"params_total": [3e6], "params_non_embedding": [2e6], "tokens": [1e8], "loss": [3.0]}
    assert read_runs(both).param_count == "total"
    assert read_runs(both)["params"].tolist() == [3e6]
    chosen = read_runs(both, param_count="non-embedding")
    assert (chosen.param_count, chosen["params"].tolist()) == ("non-embedding", [2e6])
    assert read_runs({**both, "params": [2e6]}).param_count == "non-embedding"
    unsaid = read_runs({"N": [1e6], "loss": [3.0]})
    assert unsaid.param_count == "unspecified"
    assert "param-count-unspecified" in codes(unsaid)
    assert read_runs({"N": [1e6], "loss": [3.0]}, param_count="active").param_count == "active"


def test_a_count_that_is_not_there_or_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="'active' is asked for, and there is params_total"):
        read_runs({"params_total": [1e6], "loss": [3.0]}, param_count="active")
    with pytest.raises(UsageError, match="param_count='most' must be one of total"):
        read_runs({"N": [1e6]}, param_count="most")


def test_tables_that_count_differently_are_not_mixed() -> None:
    total = read_runs({"N": [1e6], "loss": [3.0]}, param_count="total")
    non_embedding = read_runs({"N": [1e6], "loss": [3.0]}, param_count="non-embedding")
    with pytest.raises(Refusal, match="--param-count"):
        read_runs([total, non_embedding])
