"""Malformed files of every family: read or refused in a sentence, never a traceback, never a hang.

`make test` tries some hundred of each; `make fuzz-readers` sets ISOFLOP_FUZZ_EXAMPLES to ten thousand and writes the
counts to docs/reference/fuzzing.md.
"""

from __future__ import annotations

import json
import os
import resource
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.mutations import JSON_VALUES, malformed, tables_of_text
from tests.faults.reader_families import SLOW_SECONDS, Seed, read_input, seeds, workplace

EXAMPLES = int(os.environ.get("ISOFLOP_FUZZ_EXAMPLES", "150"))
COUNTS = os.environ.get("ISOFLOP_FUZZ_COUNTS")
MOST_MEMORY = 500 << 20

STRATEGIES: dict[str, st.SearchStrategy[Seed]] = {name: malformed(given) for name, given in seeds().items()}
STRATEGIES["tables of text"] = tables_of_text().map(lambda content: Seed({"runs.csv": content}, "runs.csv"))
STRATEGIES["documents of JSON"] = JSON_VALUES.map(lambda value: Seed({"a.json": json.dumps(value).encode()}, "a.json"))


@pytest.mark.parametrize("family", STRATEGIES)
def test_malformed_inputs_are_read_or_refused(family: str) -> None:
    endings: Counter[str] = Counter()
    slowest = 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with workplace() as folder:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=EXAMPLES < 1000,
            suppress_health_check=list(HealthCheck),
        )
        @given(STRATEGIES[family])
        def one(seed: Seed) -> None:
            nonlocal slowest
            ending = read_input(seed.files, seed.target, folder)
            endings[ending.outcome] += 1
            slowest = max(slowest, ending.seconds)
            assert ending.seconds < SLOW_SECONDS, f"{family}: {ending.seconds:.1f} s"

        one()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MOST_MEMORY
    assert endings["refused"] > 0
    if COUNTS:
        record = {"family": family, **endings, "slowest": slowest, "megabytes": grown >> 20}
        with Path(COUNTS).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")
