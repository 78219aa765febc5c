"""The names users import: each is there, documented, typed, and loaded only when it is asked for."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import isoflop

NAMES = [name for name in isoflop.__all__ if not name.startswith("__")]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(isoflop, name)
    if name == "LAWS":
        assert all(isinstance(law, isoflop.Law) for law in value)
        return
    text = inspect.getdoc(value)
    assert text and len(text.split()) > 3
    assert not text.startswith(f"{name}("), "the docstring is the one a dataclass is given where there is none"


def test_every_name_is_said_three_times_alike(repository: Path) -> None:
    tree = ast.parse((repository / "src" / "isoflop" / "__init__.py").read_text(encoding="utf-8"))
    (checking,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in checking.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == isoflop._HOMES
    assert set(NAMES) == set(isoflop._HOMES)
    assert set(isoflop.__all__) <= set(dir(isoflop))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = isoflop.fitt
    assert not hasattr(isoflop, "nosuch")


def test_the_docstring_shows_names_that_exist() -> None:
    assert isoflop.__doc__ is not None
    used = {node.attr for node in ast.walk(ast.parse(_code_of(isoflop.__doc__))) if _is_public(node)}
    assert {"read_runs", "fit", "backtest", "forecast"} <= used <= set(isoflop.__all__)


def test_the_workflow_of_the_docstring() -> None:
    runs = isoflop.read_runs(isoflop.example_runs(), where="held_out == 0")
    fitted = isoflop.fit("chinchilla", runs, draws=60)
    forecast = isoflop.forecast(fitted, params=111e3, tokens=8e6)
    assert forecast.points[0].loss.value == pytest.approx(1.3, abs=0.05)
    assert "median |error|" in str(isoflop.backtest("chinchilla", runs, hide=4, draws=60))


def test_fit_takes_whatever_can_be_read() -> None:
    path = isoflop.example_runs()
    table = isoflop.read_runs(path)
    columns = {name: np.asarray(table[name]) for name in ("params", "tokens", "loss")}
    wanted = isoflop.fit("chinchilla", table, draws=0).theta
    pandas = pytest.importorskip("pandas")
    for source in (path, str(path), columns, pandas.DataFrame(columns)):
        np.testing.assert_allclose(isoflop.fit("chinchilla", source, draws=0).theta, wanted, rtol=1e-9)


def test_where_chooses_the_rows_of_a_fit_and_a_backtest() -> None:
    path = isoflop.example_runs()
    assert len(isoflop.fit("chinchilla", path, where="held_out == 0", draws=0).runs) == 24
    verdict = isoflop.backtest("chinchilla", path, where="tokens < 5e6", hide=4, draws=30)
    assert len(verdict.fit.runs) + len(verdict.outcomes) == 24


def _code_of(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.startswith("    "))


def _is_public(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "isoflop"
