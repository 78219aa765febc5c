"""The quantities of scaling laws: their names, their units, and the one reader of how people write them.

    N   `params`         parameters of the model; which ones are counted is a `ParamCount`
    D   `tokens`         training tokens, repeats counted
    U   `unique_tokens`  distinct training tokens
    C   `compute`        training compute in FLOP (one multiply-add is two FLOP); 6·N·D where nothing exact is known
    L   `loss`           cross-entropy on held-out text in nats per token

A text is read the same way wherever it stands: on the command line, in TOML, in a table cell. `7B`, `1.4T`,
`512k`, `10,000,000`, `6e23`, `5.76e23 FLOP`, `1e4 PF-days`, `$50k`, `30 days`, `12h`, `8xh100`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from isoflop.errors import UsageError

ParamCount = Literal["total", "non-embedding", "active", "unspecified"]
"""Which parameters N counts: all of them, those outside the embeddings, those active per token, or not known."""

PARAM_COUNTS: tuple[ParamCount, ...] = ("total", "non-embedding", "active", "unspecified")

Kind = Literal["number", "count", "tokens", "compute", "dollars", "duration", "energy"]
"""What a text stands for; it decides the units that are understood."""

FLOP_PER_PF_DAY = 1e15 * 86_400
"""A petaflop/s-day: 10^15 FLOP per second for one day, 8.64e19 FLOP."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:[,_]\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DEVICES = re.compile(r"\s*(?:(\d[\d,_]*)\s*[xX×*]\s*)?([A-Za-z][A-Za-z0-9._-]+)\s*")
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18, "z": 1e21, "y": 1e24}
_SCALE_WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_COUNTS = {**{key: _SCALES[key] for key in ("", "k", "m", "b", "g", "t")}, **_SCALE_WORDS}
_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION_WORDS = {
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
}
_FLOP_UNIT = re.compile(r"([kmgtpezy]?)flops?")
_FLOP_DAY_UNIT = re.compile(r"(p|e|peta|exa)f(?:lops?)?(?:/s)?[- ]?days?")
_WATT_HOURS = {"wh": 1e-6, "kwh": 1e-3, "mwh": 1.0, "gwh": 1e3, "twh": 1e6}
_ACCEPTED: dict[Kind, str] = {
    "number": "0.5, 1e-3 or -2",
    "count": "7B, 512k, 10,000,000 or 1e9",
    "tokens": "1.4T, 300B tokens, 10,000,000 or 2e12",
    "compute": "6e23, 5.76e23 FLOP, 3 ZFLOP or 1e4 PF-days",
    "dollars": "$50k, $1.5M or 50,000 USD",
    "duration": "30 days, 12h, 1d 12h, 90 min, 45s or 20ms",
    "energy": "500 MWh, 40 GWh or 800 kWh",
}


def parse_quantity(text: str, kind: Kind = "count", name: str = "value", *, signed: bool = False) -> float:
    """The number that `text` stands for, in the unit of `kind`: items, tokens, FLOP, dollars, seconds or MWh.

    A quantity must be finite and, unless `signed` or of kind `number`, positive. A decimal comma is not guessed
    at: `1,5` is refused. A duration and an energy need a unit.

    Raises:
        UsageError: naming `name`, the text and the accepted forms.

    Example:
        >>> parse_quantity("1.4T", "tokens"), parse_quantity("1e4 PF-days", "compute")
        (1400000000000.0, 8.64e+23)
    """
    value = _read(text.strip(), kind)
    if value is None:
        raise UsageError(f"{name}={text!r} is not understood: write {_ACCEPTED[kind]}.")
    if not math.isfinite(value):
        raise UsageError(f"{name}={text!r} is not a finite number: write {_ACCEPTED[kind]}.")
    if value <= 0 and kind != "number" and not signed:
        raise UsageError(f"{name}={text!r} must be positive: write {_ACCEPTED[kind]}.")
    return value


@dataclass(frozen=True)
class Devices:
    """A number of accelerators of one kind, named as the hardware catalogue names it (`h100`)."""

    count: int
    name: str

    def __str__(self) -> str:
        return f"{self.count}x{self.name}"


def parse_devices(text: str, name: str = "gpus") -> Devices:
    """The devices that `text` stands for: a count, an `x` and a name; a name alone is one device.

    Raises:
        UsageError: naming `name`, the text and the accepted forms.

    Example:
        >>> parse_devices("1024xH100")
        Devices(count=1024, name='h100')
    """
    match = _DEVICES.fullmatch(text)
    count = int(re.sub("[,_]", "", match[1])) if match and match[1] else 1
    if match is None or count < 1:
        raise UsageError(f"{name}={text!r} is not understood: write 8xh100, 1,024xa100 or h100.")
    return Devices(count, match[2].lower())


def format_count(value: float) -> str:
    """`value` in three significant digits as people write counts; `parse_quantity` reads it back.

    Example:
        >>> format_count(7e9), format_count(1.4e12), format_count(98_944)
        ('7B', '1.4T', '98.9k')
    """
    if not math.isfinite(value) or value == 0:
        return format_number(value)
    rounded = float(f"{value:.3g}")
    for suffix, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if scale <= abs(rounded) < 1e3 * scale:
            return f"{rounded / scale:.3g}{suffix}"
    return format_number(value)


def format_flops(value: float) -> str:
    """`value` FLOP in three significant digits.

    Example:
        >>> format_flops(5.76e23)
        '5.76e23 FLOP'
    """
    return f"{format_number(value)} FLOP"


def format_duration(seconds: float) -> str:
    """A duration in the unit a person would choose.

    Example:
        >>> format_duration(45), format_duration(500), format_duration(43_200), format_duration(2_592_000)
        ('45 s', '8.3 min', '12 h', '30 days')
    """
    for limit, unit, word in ((100, 1.0, "s"), (6_000, 60.0, "min"), (172_800, 3600.0, "h")):
        if not abs(seconds) >= limit:
            return f"{_short(seconds / unit)} {word}"
    return f"{_short(seconds / 86_400)} days"


def format_dollars(value: float) -> str:
    """`value` dollars in three significant digits.

    Example:
        >>> format_dollars(50_000), format_dollars(3.2)
        ('$50k', '$3.2')
    """
    return f"-${format_count(-value)}" if value < 0 else f"${format_count(value)}"


def format_number(value: float, digits: int = 3) -> str:
    """`value` in `digits` significant digits, with an exponent only where it is shorter.

    Example:
        >>> format_number(0.34731, 4), format_number(1.25e-7), format_number(2143.4, 5)
        ('0.3473', '1.25e-7', '2143.4')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else ("infinite" if value > 0 else "-infinite")
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    return str(int(float(text))) if 0 <= int(exponent) < 5 else f"{mantissa}e{int(exponent)}"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; a bound that the data leave open is None.

    Example:
        >>> print(Estimate(0.34731, 0.331, None))
        0.3473 [0.331, open]
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return format_number(self.value, 4)
        bounds = ("open" if bound is None else format_number(bound, 4) for bound in (self.low, self.high))
        return f"{format_number(self.value, 4)} [{', '.join(bounds)}]"

    def to_dict(self) -> dict[str, float | None]:
        """`{"value": …, "low": …, "high": …}`, null for what is open or not finite."""
        return {"value": _finite(self.value), "low": _finite(self.low), "high": _finite(self.high)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Estimate:
        """The estimate that `to_dict` wrote; a null value is NaN."""
        value = record["value"]
        return cls(math.nan if value is None else float(value), _finite(record["low"]), _finite(record["high"]))


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}"


def _read(text: str, kind: Kind) -> float | None:
    if kind == "duration":
        return _read_duration(text)
    if kind == "dollars":
        text = re.sub(r"\s*(?:usd|dollars?)$", "", text.replace("$", "", 1), flags=re.IGNORECASE).strip()
    match = _NUMBER.match(text)
    if match is None:
        return None
    scale = _scale(text[match.end() :].strip().lower(), kind)
    return None if scale is None else float(re.sub("[,_]", "", match[0])) * scale


def _scale(unit: str, kind: Kind) -> float | None:
    if kind == "number":
        return 1.0 if unit == "" else None
    if kind == "energy":
        return _WATT_HOURS.get(unit)
    if kind == "compute":
        if match := _FLOP_UNIT.fullmatch(unit):
            return _SCALES[match[1]]
        if match := _FLOP_DAY_UNIT.fullmatch(unit):
            return FLOP_PER_PF_DAY * (1e3 if match[1].startswith("e") else 1.0)
    else:
        unit = re.sub(r"\s*(?:tokens?|params?|parameters?)$", "", unit)
    return _COUNTS.get(unit)


def _read_duration(text: str) -> float | None:
    total, position = 0.0, 0
    while position < len(text):
        number = _NUMBER.match(text, position)
        word = re.compile(r"\s*([A-Za-z]+)[\s,]*").match(text, number.end()) if number else None
        unit = _DURATION_WORDS.get(word[1].lower()) if word else None
        if number is None or word is None or unit is None:
            return None
        total, position = total + float(re.sub("[,_]", "", number[0])) * _SECONDS[unit], word.end()
    return total if text else None
