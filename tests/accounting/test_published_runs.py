"""Published runs as a test table: device hours follow from FLOP, peak and stated utilisation, or are off for a reason.

`published_runs.csv` holds every run for which a source gives FLOP, device hours and utilisation together: model cards
and papers of the LLaMA family, and the training-cost-trends repository of Epoch AI (CC-BY). `ratio` is what the hours
computed here are of those stated, where the two do not agree.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from isoflop.accounting.cost import training_cost
from isoflop.accounting.hardware import find_device
from isoflop.accounting.utilization import utilization_from_hours
from isoflop.quantities import Devices

WITHIN = 0.011  # utilisations are stated to three digits, hours to as few as two


def rows() -> list[dict[str, str]]:
    with (Path(__file__).parent / "published_runs.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("row", rows(), ids=[f"{row['model']}-{number}" for number, row in enumerate(rows())])
def test_device_hours_of_a_published_run(row: dict[str, str]) -> None:
    compute, stated, mfu = (float(row[name]) for name in ("compute", "device_hours", "mfu"))
    cost = training_cost(1e9, 1e9, Devices(1000, row["device"]), compute=compute, mfu=mfu)
    expected = float(row["ratio"]) if row["cause"] else 1.0
    assert cost.gpu_hours / stated == pytest.approx(expected, rel=WITHIN), row["cause"]
    assert cost.days == pytest.approx(cost.gpu_hours / 1000 / 24)
    implied = utilization_from_hours(compute, stated, find_device(row["device"]).peak_flops)
    assert implied == pytest.approx(expected * mfu, rel=WITHIN)


def test_most_runs_agree_and_the_others_say_why() -> None:
    agreeing = [row for row in rows() if not row["cause"]]
    assert len(rows()) >= 45 and len(agreeing) >= 0.6 * len(rows())
    assert all(bool(row["ratio"]) == bool(row["cause"]) for row in rows())
