"""Quantities as people write them: what is read, what is refused and how, and that formats read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoflop.errors import UsageError
from isoflop.quantities import (
    Estimate,
    Kind,
    format_count,
    format_dollars,
    format_duration,
    format_flops,
    format_number,
    parse_devices,
    parse_quantity,
)

READ: list[tuple[str, Kind, float]] = [
    ("7B", "count", 7e9),
    ("7b", "count", 7e9),
    (" 512k ", "count", 512e3),
    ("512K", "count", 512e3),
    ("10,000,000", "count", 1e7),
    ("10_000", "count", 1e4),
    ("1e18", "count", 1e18),
    ("1.5 million", "count", 1.5e6),
    ("70B params", "count", 70e9),
    ("1.4T", "tokens", 1.4e12),
    ("300B tokens", "tokens", 300e9),
    ("6e23", "compute", 6e23),
    ("5.76e23 FLOP", "compute", 5.76e23),
    ("5.76E+23 FLOPs", "compute", 5.76e23),
    ("3 ZFLOP", "compute", 3e21),
    ("1e4 PF-days", "compute", 8.64e23),
    ("1 petaflop/s-day", "compute", 8.64e19),
    ("2 EF-days", "compute", 1.728e23),
    ("$50k", "dollars", 50e3),
    ("$1,250.50", "dollars", 1250.5),
    ("50,000 USD", "dollars", 50e3),
    ("30 days", "duration", 2_592_000.0),
    ("30days", "duration", 2_592_000.0),
    ("12h", "duration", 43_200.0),
    ("1d 12h", "duration", 129_600.0),
    ("90 min", "duration", 5_400.0),
    ("2 weeks", "duration", 1_209_600.0),
    ("20ms", "duration", 0.02),
    ("500 MWh", "energy", 500.0),
    ("40GWh", "energy", 40e3),
    ("800 kWh", "energy", 0.8),
    ("-0.5", "number", -0.5),
    ("1e-3", "number", 1e-3),
    ("12,345.5", "number", 12345.5),
]


@pytest.mark.parametrize(("text", "kind", "expected"), READ, ids=[text for text, _, _ in READ])
def test_reads_what_people_write(text: str, kind: Kind, expected: float) -> None:
    assert parse_quantity(text, kind) == pytest.approx(expected, rel=1e-15)


REFUSED: list[tuple[str, Kind]] = [
    ("", "count"),
    ("seven", "count"),
    ("1,5", "count"),
    ("1,00,000", "count"),
    ("7 Bs", "count"),
    ("-3", "count"),
    ("0", "tokens"),
    ("nan", "compute"),
    ("inf", "compute"),
    ("1e400", "count"),
    ("3 parsecs", "compute"),
    ("30", "duration"),
    ("12h of", "duration"),
    ("€5", "dollars"),
    ("1k", "number"),
]


@pytest.mark.parametrize(("text", "kind"), REFUSED)
def test_refuses_and_names_argument_value_and_forms(text: str, kind: Kind) -> None:
    with pytest.raises(UsageError) as caught:
        parse_quantity(text, kind, "--budget")
    assert f"--budget={text!r}" in str(caught.value)
    assert "write " in str(caught.value)


def test_signed_quantities_are_for_cells() -> None:
    assert parse_quantity("-7B", "count", signed=True) == -7e9


@pytest.mark.parametrize(("text", "count"), [("8xh100", 8), ("8 x H100", 8), ("1,024xh100", 1024), ("h100", 1)])
def test_reads_devices(text: str, count: int) -> None:
    devices = parse_devices(text)
    assert (devices.count, devices.name) == (count, "h100")


@pytest.mark.parametrize("text", ["", "8", "0xh100", "8x", "x", "8xh100, 2xa100"])
def test_refuses_devices_by_name_and_value(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_devices(text, "--gpus")
    assert f"--gpus={text!r}" in str(caught.value)


@given(st.floats(1.0, 1e27))
def test_formats_read_back_to_three_digits(value: float) -> None:
    assert parse_quantity(format_count(value)) == pytest.approx(value, rel=0.0051)
    assert parse_quantity(format_flops(value), "compute") == pytest.approx(value, rel=0.0051)
    assert parse_quantity(format_dollars(value), "dollars") == pytest.approx(value, rel=0.0051)


@given(st.floats(1.0, 1e9))
def test_durations_read_back_to_two_digits(seconds: float) -> None:
    assert parse_quantity(format_duration(seconds), "duration") == pytest.approx(seconds, rel=0.051)


@pytest.mark.parametrize(
    ("value", "text"),
    [(7e9, "7B"), (999_999.0, "1M"), (950.0, "950"), (5e15, "5e15"), (math.nan, "unknown"), (math.inf, "infinite")],
)
def test_counts_are_formatted_as_people_write_them(value: float, text: str) -> None:
    assert format_count(value) == text


def test_numbers_have_exponents_only_where_shorter() -> None:
    assert [format_number(x) for x in (0.0, 1234.0, 123456.0, 1e-5)] == ["0", "1230", "1.23e5", "1e-5"]


def test_an_estimate_survives_json_with_open_and_infinite_bounds_as_null() -> None:
    estimate = Estimate(0.5, 0.25, math.inf)
    assert estimate.to_dict() == {"value": 0.5, "low": 0.25, "high": None}
    assert Estimate.from_dict(estimate.to_dict()) == Estimate(0.5, 0.25, None)
    assert Estimate(math.nan).to_dict()["value"] is None
    assert math.isnan(Estimate.from_dict(Estimate(math.nan).to_dict()).value)


def test_an_estimate_prints_value_and_interval() -> None:
    assert str(Estimate(2.0)) == "2"
    assert str(Estimate(2.0, 1.0, 3.0)) == "2 [1, 3]"
    assert str(Estimate(2.0, None, 3.0)) == "2 [open, 3]"
