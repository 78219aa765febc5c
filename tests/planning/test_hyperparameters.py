"""Rules of batch size and learning rate, each inside and outside of what it was measured on."""

from __future__ import annotations

import pytest

from isoflop.errors import UsageError
from isoflop.planning.hyperparameters import RULES, recipe


def test_step_law() -> None:
    found = recipe("step-law", 1e9, 1e11, 6e20, 2.5)
    assert found.learning_rate == pytest.approx(1.63e-3, rel=2e-3)
    assert found.batch_tokens == pytest.approx(1.11e6, rel=3e-3)
    assert found.outside == ()


def test_deepseek() -> None:
    found = recipe("deepseek", 1e9, 1e10, 1e20, 2.5)
    assert found.learning_rate == pytest.approx(9.86e-4, rel=1e-3)
    assert found.batch_tokens == pytest.approx(1.02e6, rel=5e-3)


def test_kaplan_and_where_its_rate_ends() -> None:
    found = recipe("kaplan", 1e9, 1e10, 1e20, 2.5)
    assert found.learning_rate == pytest.approx(0.003239 - 0.0001395 * 20.7233, rel=1e-4)
    assert found.batch_tokens == pytest.approx(2.1e8 * 2.5 ** (-1 / 0.21), rel=1e-9)
    assert recipe("kaplan", 1.3e10, 1e10, 1e20, 2.5).learning_rate is None


def test_what_lies_outside_is_named() -> None:
    assert recipe("step-law", 1e10, 1e11, 1e22, 2.0).outside == ("params 10 times above what it was measured on",)
    assert "tokens 2 times below" in recipe("step-law", 1e9, 1e9, 6e18, 3.0).outside[0]
    assert recipe("deepseek", 1e9, 1e10, 3e21, 2.0).outside[0].startswith("compute 10 times above")


def test_an_unknown_rule_lists_the_known() -> None:
    with pytest.raises(UsageError, match="step-law, deepseek, kaplan"):
        recipe("mup", 1e9, 1e10, 1e20, 2.5)  # type: ignore[arg-type]
    assert set(RULES) == {"step-law", "deepseek", "kaplan"}
