"""Clean studies are left alone; 500 run in `make check-statistics`."""

import numpy as np

from tests.diagnostics.clean_studies import LAW, clean_study, floor_error
from tests.diagnostics.trials import MOST_ALARMS, alarms

STUDIES, DRAWS = 20, 40


def test_few_clean_studies_carry_a_warning():
    said = {seed: {finding.code for finding in alarms(seed, DRAWS)} for seed in range(STUDIES)}
    alarmed = {seed: codes for seed, codes in said.items() if codes}
    assert len(alarmed) <= MOST_ALARMS * STUDIES, alarmed


def test_clean_studies_are_what_they_say():
    studies = [clean_study(seed) for seed in range(STUDIES)]
    for study in studies:
        params, tokens = (np.asarray(study.columns[name], dtype=float) for name in ("params", "tokens"))
        assert 12 <= study.size <= 60 and 0.003 <= study.noise <= 0.02
        assert min(np.ptp(np.log10(params)), np.ptp(np.log10(tokens))) >= 1.0 - 1e-9
        assert abs(np.corrcoef(np.log(params), np.log(tokens))[0, 1]) < 0.9
        assert floor_error(study.truth, params, tokens, study.noise) < 0.1
    described = sum("layers" in study.columns for study in studies)
    assert STUDIES / 4 < described < 3 * STUDIES / 4
    assert {len(study.truth) for study in studies} == {len(LAW.parameters)}
