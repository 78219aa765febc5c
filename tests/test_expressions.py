"""The formula parser: what it reads, and that nothing else gets through."""

import time

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.expressions import Call, Number, Symbol, evaluate, parse, parse_condition, symbols


def test_a_formula_becomes_a_tree():
    assert parse("A/N^alpha") == Call("divide", (Symbol("A"), Call("power", (Symbol("N"), Symbol("alpha")))))
    assert parse("2*pi") == Call("multiply", (Number(2.0), Number(np.pi)))
    assert symbols(parse("E + A/N**alpha + B/D^beta")) == ("E", "A", "N", "alpha", "B", "D", "beta")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3^2", 19.0),
        ("-2^2", -4.0),
        ("2^-1", 0.5),
        ("exp(log(5))", 5.0),
        ("sqrt(x) + min(x, 3) + max(x, 3)", 2.0 + 3.0 + 4.0),
        ("log10(100) + log2(8) + tanh(0) + arctan(0) + sin(0) + cos(0) + abs(-1)", 7.0),
    ],
)
def test_a_formula_has_the_value_of_its_text(text, expected):
    assert evaluate(parse(text), {"x": 4.0}) == pytest.approx(expected, rel=1e-14)


def test_a_condition_selects_rows():
    columns = {"params": np.array([1e6, 1e7, 1e8]), "family": np.array(["a", "b", "a"], dtype=object)}
    chosen = evaluate(parse_condition('params > 2e6 and (family == "a" or not params < 1e9)'), columns)
    assert chosen.tolist() == [False, False, True]
    assert evaluate(parse_condition("1e6 < params <= 1e7"), columns).tolist() == [False, True, False]


def test_an_unknown_column_is_named_with_those_that_exist():
    with pytest.raises(UsageError, match=r"'paramz' is not a column: the columns are params"):
        evaluate(parse_condition("paramz > 1"), {"params": np.array([1.0])})


HOSTILE = [
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "open('/etc/passwd').read()",
    "exec('x=1')",
    "eval('1')",
    "lambda: 1",
    "[x for x in range(10**8)]",
    "(x := 5)",
    "x if y else z",
    "f'{x}'",
    "'a' * 10**9",
    "x.y",
    "x[0]",
    "x @ y",
    "x // y",
    "x % y",
    "x << 99999999",
    "x | y",
    "~x",
    "not x",
    "x and y",
    "x < y",
    "exp(x, y)",
    "exp(*x)",
    "exp(x=1)",
    "exp",
    "exp()",
    "print(1)",
    "globals()",
    "_x",
    "__name__",
    "1j",
    "True",
    "None",
    "...",
    "b'x'",
    "{1: 2}",
    "{1, 2}",
    "[1]",
    "(1, 2)",
    "x; y",
    "import os",
    "x = 1",
    "yield x",
    "await x",
    "1e400",
    "9" * 400,
    "(" * 60 + "x" + ")" * 60,
    "-" * 3000 + "x",
    "- " * 100 + "x",
    "x" * 100,
    "+".join(["x"] * 500),
    "x" + "+x" * 1500,
    "x\x00y",
    "",
    "   ",
    "x +",
    ")(",
    "1 2",
    "x ** ** y",
    "\u202ex",
    "'" + "a" * 5000,
]


CALLS = (
    "__build_class__ __import__ aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod "
    "compile complex copyright credits delattr dict dir divmod enumerate eval exec exit filter float format frozenset "
    "getattr globals hasattr hash help hex id input int isinstance issubclass iter len license list locals map "
    "memoryview next object oct open ord pow print property quit range repr reversed round set setattr slice sorted "
    "staticmethod str sum super tuple type vars zip sympify lambdify load loads "
    "where logsumexp floor erf gamma cbrt sign heaviside clip sinh cosh arcsin polyval fromfile"
).split()
ATTRIBUTES = (
    "__class__ __dict__ __globals__ __code__ __builtins__ __subclasses__ __reduce__ __mro__ __init__ real imag dtype "
    "tofile dump ctypes base"
).split()
STATEMENTS = (
    "del x", "pass", "raise x", "assert x", "global x", "class A: pass", "def f(): pass", "with x: pass",
    "for i in x: pass", "while 1: pass", "try: x", "from os import system", "return x", "@x", "`ls`", "$(ls)", "x && y",
    "x | cat", "rm -rf /", "x\n\ny", "\\x41", "!x", "x?y:z", "x->y", "x::y", "#", "%s", "{x}", "<x>", "x,", "*x", "**x",
)  # fmt: skip
HOSTILE += [f"{name}(x)" for name in CALLS] + [f"x.{name}" for name in ATTRIBUTES] + list(STATEMENTS)


def test_there_are_enough_hostile_strings():
    assert len(set(HOSTILE)) >= 200


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused_quickly_with_a_sentence(text):
    begun = time.process_time()
    if text == "exp":  # a name like any other when it is not called
        assert parse(text) == Symbol("exp")
        return
    with pytest.raises(UsageError, match=r"^formula: .+"):
        parse(text)
    assert time.process_time() - begun < 0.05


def test_a_tower_of_powers_is_parsed_without_being_computed():
    begun = time.process_time()
    parse("9**9**9**9**9")
    assert time.process_time() - begun < 0.05
