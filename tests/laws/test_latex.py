"""LaTeX of formulas: brackets where they are needed, and braces that close."""

import pytest

from isoflop.expressions import parse
from isoflop.laws.catalogue import LAWS
from isoflop.laws.latex import latex, write


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("(N_c/N)^alpha", r"\left(\frac{N_{c}}{N}\right)^{\alpha}"),
        ("(a + b)*c", r"\left(a + b\right) \, c"),
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("a - b*c", r"a - b \, c"),
        ("-(a + b)", r"-\left(a + b\right)"),
        ("(-a)^2", r"\left(-a\right)^{2}"),
        ("2*x^(-0.5)", r"2 \, x^{-0.5}"),
        ("exp(-gamma*L)", r"e^{-\gamma \, L}"),
        ("exp(a)^2", r"\left(e^{a}\right)^{2}"),
        ("log(N) + log10(D)", r"\ln\left(N\right) + \log_{10}\left(D\right)"),
        ("sqrt(a/b) + abs(c)", r"\sqrt{\frac{a}{b}} + \left|c\right|"),
        ("min(U, D) + tanh(x)", r"\min\left(U, D\right) + \tanh\left(x\right)"),
        ("1e-3*x + 1e-9 + 2.5e9", r"0.001 \, x + 10^{-9} + 2.5 \cdot 10^{9}"),
    ],
)
def test_a_formula_is_written(formula, expected):
    assert write(parse(formula)) == expected


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_braces_and_brackets_close(law):
    text = latex(law)
    assert text.count("{") == text.count("}")
    assert text.count(r"\left") == text.count(r"\right")
    assert "_1_" not in text and "^^" not in text
