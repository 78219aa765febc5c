r"""Formulas as LaTeX: the expression tree written with fractions, powers and Greek letters.

E + A/N^alpha  →  E + \frac{A}{N^{\alpha}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isoflop.expressions import Call, Node, Number, Symbol, Text
from isoflop.laws.law import Law

_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi chi psi omega".split()
)
_SPELLED = {"eps": r"\epsilon", "inf": r"\infty", "star": "*"}
_FUNCTIONS = {"log": r"\ln", "log10": r"\log_{10}", "log2": r"\log_2", "min": r"\min", "max": r"\max"}

# How tightly an operation binds: its operands get brackets when they bind less.
_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(5)


def latex(law: Law, values: Sequence[float] = (), digits: int = 4) -> str:
    r"""The formula of a law in LaTeX, without delimiters; with `values`, these stand for its parameters.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> print(latex(find("chinchilla")))
        E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}}
        >>> print(latex(find("chinchilla"), [1.8172, 477.84, 2143.0, 0.34731, 0.36721]))
        1.817 + \frac{477.8}{N^{0.3473}} + \frac{2143}{D^{0.3672}}
    """
    if len(values):
        rounded = {name: float(f"{value:.{digits}g}") for name, value in zip(law.parameter_names, values, strict=True)}
        return write(_with_numbers(law.tree, rounded))
    return write(law.tree, {parameter.name: parameter.symbol for parameter in law.parameters if parameter.symbol})


def write(node: Node, symbols: Mapping[str, str] | None = None) -> str:
    """A parsed formula in LaTeX; `symbols` gives the LaTeX of names that are not to be derived from their spelling."""
    return _write(node, symbols or {})[0]


def symbol(name: str) -> str:
    r"""The LaTeX of a name: Greek letters by name, what follows an underscore as a subscript.

    Example:
        >>> symbol("alpha_N"), symbol("N_c"), symbol("eps_inf")
        ('\\alpha_{N}', 'N_{c}', '\\epsilon_{\\infty}')
    """
    head, *rest = name.split("_")
    return _letter(head) + (f"_{{{','.join(map(_letter, rest))}}}" if rest else "")


def _with_numbers(node: Node, values: Mapping[str, float]) -> Node:
    if isinstance(node, Symbol) and node.name in values:
        return Number(values[node.name])
    if isinstance(node, Call):
        return Call(node.function, tuple(_with_numbers(argument, values) for argument in node.arguments))
    return node


def _letter(word: str) -> str:
    if word in _SPELLED:
        return _SPELLED[word]
    if word in _GREEK:
        return "\\" + word
    return word if len(word) <= 1 or word.isdigit() else rf"\mathrm{{{word}}}"


def _write(node: Node, symbols: Mapping[str, str]) -> tuple[str, int]:
    """The text of a node, and how tightly it binds."""
    match node:
        case Number(value=value):
            return _number(value)
        case Text(value=text):
            return rf"\text{{{text}}}", _ATOM
        case Symbol(name=name):
            return symbols.get(name) or symbol(name), _ATOM
        case Call(function=function, arguments=arguments):
            return _call(function, arguments, symbols)


def _number(value: float) -> tuple[str, int]:
    if value and not 1e-4 <= abs(value) < 1e6:
        mantissa, power = f"{value:.11e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        times = "" if mantissa == "1" else rf"{mantissa} \cdot "
        return rf"{times}10^{{{int(power)}}}", _PRODUCT
    return f"{value:.12g}", _ATOM if value >= 0.0 else _SIGN


def _call(function: str, arguments: tuple[Node, ...], symbols: Mapping[str, str]) -> tuple[str, int]:
    parts = [_write(argument, symbols) for argument in arguments]
    match function:
        case "add":
            return f"{parts[0][0]} + {parts[1][0]}", _SUM
        case "subtract":
            return f"{parts[0][0]} - {_bracketed(parts[1], _PRODUCT)}", _SUM
        case "multiply":
            separator = r" \cdot " if isinstance(arguments[1], Number) else r" \, "
            return separator.join(_bracketed(part, _PRODUCT) for part in parts), _PRODUCT
        case "divide":
            return rf"\frac{{{parts[0][0]}}}{{{parts[1][0]}}}", _PRODUCT
        case "negative":
            return f"-{_bracketed(parts[0], _PRODUCT)}", _SIGN
        case "power":
            return f"{_bracketed(parts[0], _ATOM)}^{{{parts[1][0]}}}", _POWER
        case "exp":
            return f"e^{{{parts[0][0]}}}", _POWER
        case "sqrt":
            return rf"\sqrt{{{parts[0][0]}}}", _ATOM
        case "abs":
            return rf"\left|{parts[0][0]}\right|", _ATOM
    name = _FUNCTIONS.get(function, rf"\{function}")
    return rf"{name}\left({', '.join(text for text, _ in parts)}\right)", _ATOM


def _bracketed(part: tuple[str, int], least: int) -> str:
    text, binds = part
    return text if binds >= least else rf"\left({text}\right)"
