"""A user's own formula, as text or as a Python function."""

import numpy as np
import pytest

from isoflop import expressions
from isoflop.errors import UsageError
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import load_fit
from isoflop.laws.catalogue import find
from isoflop.laws.formula import law, trace
from isoflop.runs.table import RunTable

SIZE, DATA = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e11, 5)))


def table(loss):
    return RunTable.from_columns({"params": SIZE, "tokens": DATA, "loss": loss})


NOISY = table((1.7 + 400 / SIZE**0.34 + 1500 / DATA**0.37) * np.exp(0.01 * np.random.default_rng(0).normal(size=30)))


def test_the_text_of_a_built_in_law_gives_the_same_fit():
    own, built_in = fit(law("E + A/N**alpha + B/D**beta"), NOISY, draws=0), fit("chinchilla", NOISY, draws=0)
    assert own.objective_value == pytest.approx(built_in.objective_value, rel=1e-12)
    for name in built_in.law.parameter_names:
        assert own.params[name].value == pytest.approx(built_in.params[name].value, rel=1e-9)


def test_a_python_function_gives_the_same_fit():
    def chinchilla(N, D, E, A, B, alpha, beta):
        return E + A * np.exp(-alpha * np.log(N)) + B * D**-beta

    own, built_in = fit(law(chinchilla), NOISY, draws=0), fit("chinchilla", NOISY, draws=0)
    assert own.objective_value == pytest.approx(built_in.objective_value, rel=1e-12)


def test_a_formula_is_fitted_by_its_text_alone():
    fitted = fit("E + A/N^alpha + B/D^beta", NOISY, draws=20)
    assert fitted.status.value == "converged"
    assert len(fitted.ensemble) == 20


def test_a_formula_may_take_any_columns():
    x = np.linspace(0.0, 5.0, 20)
    runs = RunTable.from_columns({"gradient_noise": x, "score": 2.0 - 3.0 * np.exp(-0.8 * x)})
    fitted = fit(
        "top + drop*exp(rate*gradient_noise)", runs, x=["gradient_noise"], y="score", objective="ls@value", draws=0
    )
    assert fitted.theta == pytest.approx([2.0, -3.0, -0.8], rel=1e-8)


def test_an_interaction_term_is_found():
    loss = 1.5 + 300 / SIZE**0.3 + 900 / DATA**0.35 + 2e6 / (SIZE**0.4 * DATA**0.3)
    fitted = fit(law("E + A/N^a + B/D^b + G/(N^g*D^d)"), table(loss), draws=0)
    assert np.abs(fitted.residuals).max() < 1e-6


def test_a_law_of_ones_own_survives_saving(tmp_path):
    fitted = fit(law("E + A/N^a", start={"E": 1.0, "A": 10.0, "a": 0.2}, bounds={"a": (0.0, 0.9)}), NOISY, draws=5)
    fitted.save(tmp_path / "fit.json")
    assert load_fit(tmp_path / "fit.json").law == fitted.law


def test_bounds_hold():
    free = fit(law("E + A/N^a"), NOISY, draws=0)
    low = float(free.params["a"].value) + 0.1
    held = fit(law("E + A/N^a", bounds={"a": (low, 2.0)}), NOISY, draws=0)
    assert held.params["a"].value == pytest.approx(low, rel=1e-9)
    assert held.objective_value > free.objective_value


@pytest.mark.parametrize(
    "text",
    [
        "a - (b - c)",
        "a/(b*c)",
        "(a^b)^c",
        "a^(b^c)",
        "-a^2",
        "(-a)^2",
        "a*(b + c)",
        "exp(-a/b) - min(a, -c)",
        "2.5e-3*a",
    ],
)
def test_text_of_a_tree_reads_as_the_same_function(text):
    values = {"a": 1.3, "b": 0.7, "c": 2.1}
    tree = expressions.parse(text)
    assert expressions.evaluate(expressions.parse(expressions.to_text(tree)), values) == pytest.approx(
        expressions.evaluate(tree, values), rel=1e-14, nan_ok=True
    )


def test_what_cannot_be_recorded_is_refused():
    with pytest.raises(UsageError, match="condition on a parameter"):
        trace(lambda N, a: a if a else N)
    with pytest.raises(UsageError, match=r"numpy\.floor is not allowed"):
        trace(lambda N, a: np.floor(a * N))
    with pytest.raises(UsageError, match="cannot be recorded"):
        trace(lambda N, a: sum(range(a)))
    with pytest.raises(UsageError, match="neither a number nor a parameter"):
        trace(lambda N, a: "text")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"start": {"zeta": 1.0}}, "'zeta' is no parameter; they are E, A, alpha"),
        ({"bounds": {"zeta": (0, 1)}}, "'zeta' is no parameter"),
        ({"bounds": {"A": (2, 1)}}, "must be rising"),
        ({"inputs": ["x"]}, "'x' is not in the formula"),
        ({"start": {"A": 5.0}, "bounds": {"A": (0, 1)}}, "contain the start"),
    ],
)
def test_wrong_arguments_are_named(arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        law("E + A/N^alpha", **arguments)


def test_a_formula_without_inputs_is_refused():
    with pytest.raises(UsageError, match="none of N, D and C"):
        law("a + b*x")


def test_an_unknown_law_is_not_taken_for_a_formula():
    with pytest.raises(UsageError, match="`isoflop laws` lists"):
        fit("kaplan-x", NOISY)
    assert find("kaplan-n").inputs[0].name == "N"


def test_a_formula_without_parameters_is_refused():
    with pytest.raises(UsageError, match="has no parameter to fit: N, D are columns"):
        law("N + D")
