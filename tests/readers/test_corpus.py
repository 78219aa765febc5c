"""Every file of the corpus ends as it must: the ladder's numbers, or a sentence that names what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoflop.errors import InputError, Refusal
from isoflop.readers.read import read_runs
from tests.readers.corpus import CORPUS, LADDER, Case, Reads, Refused


def test_the_corpus_is_large_enough_and_names_are_unique() -> None:
    assert len(CORPUS) >= 60
    assert len({case.name for case in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_a_file_of_the_corpus(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(case.content())
    if isinstance(case.expected, Refused):
        with pytest.raises(Refusal if case.expected.asks else InputError) as caught:
            read_runs(path)
        message = str(caught.value)
        assert str(path) in message
        assert [part for part in case.expected.named if part not in message] == []
        assert "\n" not in message
        return
    read(path, case.expected)


def read(path: Path, expected: Reads) -> None:
    runs = read_runs(path)
    codes = {finding.code for finding in runs.findings}
    assert set(expected.codes) <= codes
    assert {item.row for item in runs.excluded} == set(expected.lost)
    kept = [row for line, row in enumerate(LADDER, start=2) if line not in expected.lost]
    if "duplicate-rows" in expected.codes:
        kept.append(LADDER[7])
    for place, name in enumerate(("params", "tokens", "loss"), start=1):
        values = [row[place] for row in kept]
        assert runs[name].tolist() == pytest.approx(values, rel=max(expected.close, 1e-12)), name
