"""The index of results: the same as reading them all, and quick where there are many."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from isoflop.runs.directory import RunDirectory, brief_result
from isoflop.studies.driver import prepare_study
from isoflop.studies.results_index import brief_results
from isoflop.studies.status import study_status
from tests.faults.victims import cheap_study


def filled_study(place: Path, runs: int) -> Path:
    """A study of `runs` runs whose results are there, written as plain files: making them properly takes a minute."""
    study_file = cheap_study(place, runs=runs)
    prepared = prepare_study(study_file)
    for number, run in enumerate(prepared.planned):
        directory = place / "runs" / run.spec.identifier
        directory.mkdir(parents=True)
        record = {"schema": "isoflop.run/1", "spec": run.spec.to_dict(), "state": "done", "loss": 3.0, "seconds": 0.5}
        (directory / "result.json").write_text(json.dumps(record | {"loss": 3.0 + number / 1000}))
    return study_file


def test_the_index_says_what_the_results_say(tmp_path: Path) -> None:
    study_file = filled_study(tmp_path, 300)
    runs = prepare_study(study_file).planned
    read = {run.spec.identifier: brief_result(RunDirectory(tmp_path / "runs" / run.spec.identifier)) for run in runs}
    assert brief_results(tmp_path) == read
    index = tmp_path / "runs" / ".results.json"
    assert index.exists() and brief_results(tmp_path) == read
    # A result that is taken back and written anew is read anew; a damaged index is not believed.
    changed = tmp_path / "runs" / runs[0].spec.identifier / "result.json"
    changed.write_text(changed.read_text().replace('"done"', '"diverged"'))
    os.unlink(tmp_path / "runs" / runs[1].spec.identifier / "result.json")
    found = brief_results(tmp_path)
    assert found[runs[0].spec.identifier].state == "diverged" and runs[1].spec.identifier not in found
    index.write_text("{")
    assert brief_results(tmp_path) == found


@pytest.mark.slow
def test_the_status_of_ten_thousand_runs_takes_less_than_a_second(tmp_path: Path) -> None:
    study_file = filled_study(tmp_path, 10_000)
    study_status(study_file)
    seconds = []
    for _ in range(3):
        before = time.process_time()
        status = study_status(study_file)
        seconds.append(time.process_time() - before)
        assert status.counts is not None and status.counts.done == 10_000
    # Of this process alone, and the fastest: what else the machine does only adds to it.
    assert min(seconds) < 1.0
