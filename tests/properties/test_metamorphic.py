"""Rewriting a study without changing what it says must not change its fit; all 200 run in `make check-statistics`."""

import pytest

from tests.properties.relations import RELATIONS, TOLERANCE, random_study

STUDIES = 25


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.__name__)
def test_metamorphic_relation(relation):
    errors = {seed: relation(random_study(seed)).error for seed in range(STUDIES)}
    determined = {seed: error for seed, error in errors.items() if error is not None}
    assert len(determined) >= 0.8 * STUDIES
    assert {seed: error for seed, error in determined.items() if not error <= TOLERANCE} == {}
