"""Exact derivatives: the graph against numbers, and the fast surface against the general one."""

import numpy as np
import pytest

from isoflop.expressions import parse
from isoflop.laws.catalogue import LAWS, find
from isoflop.laws.graph import Graph
from isoflop.laws.law import Input, Law, Parameter
from isoflop.laws.posynomial import PosynomialSurface, recognise
from isoflop.laws.surface import GeneralSurface

FORMULAS = [
    "a*x + b",
    "a/x^b",
    "exp(-a*x) + log(b + x)",
    "sin(a*x)*cos(b*x)",
    "arctan(a*x)/tanh(b*x)",
    "sqrt(a*x + b)",
    "(a + x)^b - 2^a",
    "(a + x)^3 + (b*x)^-2",
    "min(a*x, b) + max(a, b*x)",
    "abs(a - b*x)",
    "log10(a*x) + log2(b*x)",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_derivatives_agree_with_differences(text):
    graph = Graph()
    names = {name: graph.symbol(name) for name in ("x", "a", "b")}
    output = graph.build(parse(text), names)
    x = np.array([0.3, 1.7, 2.9])

    def value(node, a, b):
        found = graph.run(graph.needed([node]), {}, {"x": x, "a": np.float64(a), "b": np.float64(b)})[node]
        return np.broadcast_to(found, x.shape)

    at, step = np.array([0.7, 1.3]), 1e-6
    for i, name in enumerate("ab"):
        shift = np.eye(2)[i] * step
        first = graph.derivative(output, name)
        numeric = (value(output, *(at + shift)) - value(output, *(at - shift))) / (2 * step)
        assert value(first, *at) == pytest.approx(numeric, rel=1e-6, abs=1e-6)
        for other in "ab":
            second = graph.derivative(first, other)
            shift = np.eye(2)["ab".index(other)] * step
            numeric = (value(first, *(at + shift)) - value(first, *(at - shift))) / (2 * step)
            assert value(second, *at) == pytest.approx(numeric, rel=1e-6, abs=1e-6)


def test_equal_expressions_are_one_node():
    graph = Graph()
    names = {"x": graph.symbol("x")}
    assert graph.build(parse("x*2 + exp(x)"), names) == graph.build(parse("exp(x) + 2*x"), names)


POSYNOMIALS = [law for law in LAWS if recognise(law) is not None]


@pytest.mark.parametrize("on_log", [True, False], ids=["log", "value"])
@pytest.mark.parametrize("law", POSYNOMIALS, ids=lambda law: law.name)
def test_the_fast_surface_equals_the_general_one(law, on_log):
    generator = np.random.default_rng(1)
    data = {item.name: 10.0 ** generator.uniform(5, 9, 30) for item in law.inputs}
    theta = np.array(
        [
            [10 ** generator.uniform(0, 2) if p.scale == "log" else generator.uniform(0.1, 0.6) for p in law.parameters]
            for _ in range(3)
        ]
    )
    terms = recognise(law)
    assert terms is not None
    fast = PosynomialSurface(law, terms, data, log_output=on_log)
    slow = GeneralSurface(law, data, log_output=on_log)
    phi, psi = fast.to_internal(theta), slow.to_internal(theta)
    assert np.allclose(fast.to_user(phi), theta, rtol=1e-12)
    one, other = fast.linearise(phi, second=True), slow.linearise(psi, second=True)
    slope = generator.normal(size=(3, 30))
    curvature = generator.uniform(size=(3, 30))
    jacobian = fast._inverse  # the coordinates differ by a linear map, ψ = T⁻¹ φ
    assert np.allclose(one.value, other.value, rtol=1e-12)
    assert np.allclose(one.gradient(slope), jacobian.T @ other.gradient(slope), rtol=1e-9, atol=1e-9)
    expected = np.einsum("ia,ijm,jb->abm", jacobian, other.hessian(curvature, slope), jacobian)
    assert np.allclose(one.hessian(curvature, slope), expected, rtol=1e-8, atol=1e-8)


def test_recognition_refuses_what_is_not_a_sum_of_powers():
    size = Input("N", "params", "model size", "parameters")
    positive = Parameter("a", "scale", scale="log")
    free = Parameter("b", "power")
    for formula in ("a - N^b", "log(a + N^b)", "(a + N)^b", "a*exp(b*N)", "(a/N)^b"):
        assert recognise(Law("x", "x", formula, (size,), (positive, free))) is None
    assert recognise(find("chinchilla")) is not None
