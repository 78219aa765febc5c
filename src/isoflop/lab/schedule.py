"""The learning rate at every step of a run: warm-up, stable, decay, as a pure function of the step."""

from __future__ import annotations

from isoflop.runs.spec import ScheduleSpec


def learning_rate_at(step: int, steps: int, peak: float, schedule: ScheduleSpec) -> float:
    """Learning rate used by update number `step` (0 first) of a run of `steps` updates.

    Linear from peak/W at step 0 to the peak over W = round(warmup · steps) updates, constant, then linear
    over the last round(decay · steps) updates towards `final` · peak, which the update after the last would
    use. The horizon is the run's own, so runs of different lengths each end annealed ([hu2024]).

    Example:
        >>> [learning_rate_at(step, 10, 1.0, ScheduleSpec(0.2, 0.4)) for step in (0, 1, 5, 6, 9)]
        [0.5, 1.0, 1.0, 1.0, 0.25]
    """
    warmup_steps = round(schedule.warmup * steps)
    decay_steps = round(schedule.decay * steps)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    remaining = steps - step
    if remaining < decay_steps:
        return peak * (schedule.final + (1.0 - schedule.final) * remaining / decay_steps)
    return peak
