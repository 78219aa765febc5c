"""The catalogue of analyses: every name has its code, and the names come without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from isoflop.studies.analyses.catalogue import ANALYSES, find_analysis


@pytest.mark.parametrize("name", ANALYSES)
def test_every_name_leads_to_a_function_that_says_what_it_does(name: str) -> None:
    assert (find_analysis(name).__doc__ or "").strip()


def test_reading_a_study_waits_for_no_analysis() -> None:
    code = "import sys, isoflop.studies.status; sys.exit('isoflop.fitting.estimation' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
