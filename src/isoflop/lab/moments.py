"""Moments: the steps at which a run reports its loss, and those at which it is scored on held-out text."""

from __future__ import annotations

import numpy as np

LOG_POINTS = 150
# Held-out loss is first taken this far into a run that asks for it several times.
FIRST_EVALUATION = 1 / 64


def log_steps(steps: int, points: int = LOG_POINTS) -> frozenset[int]:
    """About `points` steps at which a run of `steps` reports: even on a logarithmic axis, the last one included."""
    return frozenset(int(step) for step in np.unique(np.geomspace(1, steps, points).round())) | {steps}


def evaluation_steps(steps: int, points: int) -> frozenset[int]:
    """At most `points` steps at which held-out loss is taken: even on a logarithmic axis, the last one included.

    Example:
        >>> sorted(evaluation_steps(640, 4))
        [10, 40, 160, 640]
    """
    if points == 1:
        return frozenset({steps})
    first = max(1.0, steps * FIRST_EVALUATION)
    return frozenset(int(step) for step in np.geomspace(first, steps, points).round()) | {steps}
