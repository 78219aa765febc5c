"""Plans set against trends: dates by arithmetic, their intervals, and tables of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isoflop.errors import InputError, UsageError
from isoflop.fitting.fit import Fit
from isoflop.planning.planner import Horizon, plan
from isoflop.planning.trends import PRICES, cost_in, find_trend, outlook, read_trends, shipped_trends, year_of

BESIROGLU = "published:besiroglu2024"


def square_root(compute: np.ndarray) -> np.ndarray:
    """Tokens as the root of compute, for one row: 300T at 9e28 FLOP."""
    return np.sqrt(compute)[None]


def test_every_trend_has_a_source_and_a_date() -> None:
    names = [trend.name for trend in shipped_trends()]
    assert len(names) == len(set(names)) and {"text-stock", *PRICES} <= set(names)
    for trend in shipped_trends():
        assert trend.source and len(trend.date) == 10
        assert trend.low is None or trend.high is None or trend.low < trend.value < trend.high


def test_costs_halve_with_each_doubling() -> None:
    assert cost_in(1000.0, 2.07, 2.07) == pytest.approx(500.0)
    assert cost_in(1000.0, -2.0, 2.0) == pytest.approx(2000.0)
    assert year_of("2025-03-01") == pytest.approx(2025.16)


def test_when_a_sum_is_enough() -> None:
    found = outlook(compute=1e24, cost=8e6, since=2025.0, until=2030, tokens_at=square_root, afford=1e6)
    assert found.affordable["moore"].value == pytest.approx(2031.0)
    machine_learning = found.affordable["price-performance-ml"]
    assert machine_learning.value == pytest.approx(2025 + 3 * 2.07)
    assert (machine_learning.low, machine_learning.high) == (
        pytest.approx(2025 + 3 * 1.54),
        pytest.approx(2025 + 3 * 3.13),
    )
    already = outlook(compute=1e24, cost=1e5, since=2025.0, until=2030, tokens_at=square_root, afford=1e6)
    assert already.affordable["moore"].value < 2025


def test_when_the_frontier_passes_and_text_runs_out() -> None:
    found = outlook(compute=2.1e25 * 4.5**2, cost=None, since=2025.0, until=2027, tokens_at=square_root)
    base = find_trend("frontier-compute").year
    assert found.frontier_passes.value == pytest.approx(base + 2)
    expected = base + np.log(9e28 / 2.1e25) / np.log(4.5)
    assert found.text_runs_out.value == pytest.approx(expected, abs=0.01)
    assert found.text_runs_out.low < expected < found.text_runs_out.high
    later = base + np.log(16 * 9e28 / 2.1e25) / np.log(4.5)
    assert found.four_epochs.value == pytest.approx(later, abs=0.01)
    assert [year.year for year in found.years] == [2026, 2027]
    assert found.years[0].cost_usd is None


def test_the_date_of_villalobos_comes_out() -> None:
    """The paper's median is 2028, with 80 % between 2026 and 2032; its frontier is compute-optimal too."""
    made = plan(BESIROGLU, compute=1e24, gpus="1024xh100", horizon=Horizon(2030))
    assert made.outlook is not None
    assert 2027 < made.outlook.text_runs_out.value < 2029
    assert 2026 < made.outlook.text_runs_out.low < made.outlook.text_runs_out.high < 2032


def test_draws_of_the_law_widen_the_date(ladder: Fit) -> None:
    wide = plan(ladder, compute=1e22, horizon=Horizon(2030)).outlook
    narrow = plan(BESIROGLU, compute=1e22, horizon=Horizon(2030)).outlook
    assert wide is not None and narrow is not None
    spans = [one.text_runs_out.high - one.text_runs_out.low for one in (wide, narrow)]
    assert spans[0] > spans[1]


def test_the_seed_decides_the_draws() -> None:
    first, again, other = (
        plan(BESIROGLU, compute=1e24, horizon=Horizon(2028, seed=seed)).outlook.to_dict() for seed in (0, 0, 1)
    )
    assert first == again and first != other


def test_since_is_when_the_price_was_paid() -> None:
    made = plan(BESIROGLU, compute=1e24, gpu="h100", horizon=Horizon(2030)).outlook
    assert made is not None and made.since == pytest.approx(2025.16)
    told = plan(BESIROGLU, compute=1e24, horizon=Horizon(2030, since=2026.5)).outlook
    assert told is not None and told.since == 2026.5 and told.years[0].year == 2027


def test_what_makes_no_sense_is_told() -> None:
    with pytest.raises(UsageError, match="until=2024 must be a year after 2025"):
        plan(BESIROGLU, compute=1e24, gpu="h100", horizon=Horizon(2024))
    with pytest.raises(UsageError, match="no price of the device"):
        plan(BESIROGLU, compute=1e24, gpu="tpu-v5p", horizon=Horizon(2030, afford=1e5))
    with pytest.raises(UsageError, match="afford=-1"):
        plan(BESIROGLU, compute=1e24, horizon=Horizon(2030, afford=-1.0))
    with pytest.raises(UsageError, match="trend 'nosuch' is unknown"):
        find_trend("nosuch")


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    place = tmp_path / "own.toml"
    place.write_text(
        '[[trend]]\nname = "text-stock"\ntitle = "my text"\nkind = "amount"\nunit = "tokens"\nvalue = 1e12\n'
        'source = "a count"\ndate = 2026-01-01\n'
    )
    own = read_trends(place)
    assert find_trend("text-stock", own).value == 1e12
    sooner = plan(BESIROGLU, compute=1e24, horizon=Horizon(2030, trends=own)).outlook
    assert sooner is not None and sooner.text_runs_out.value < 2024
    place.write_text(place.read_text().replace("value", "amount"))
    with pytest.raises(InputError, match=r"\[\[trend\]\] 1: 'amount' is no key"):
        read_trends(place)
