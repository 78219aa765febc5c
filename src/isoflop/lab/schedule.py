"""The learning rate at every step of a run: warm-up, stable, decay, as a pure function of the step."""

from __future__ import annotations

import math

from isoflop.runs.spec import RunSpec, ScheduleSpec


def warmup_steps_of(steps: int, schedule: ScheduleSpec) -> int:
    """Updates of the warm-up of a run of `steps` updates: a share of them, or a fixed number where that is more."""
    return max(round(schedule.warmup * round(steps * schedule.horizon)), schedule.warmup_steps)


def learning_rate_at(
    step: int, steps: int, peak: float, schedule: ScheduleSpec, *, warmup_steps: int | None = None
) -> float:
    """Learning rate used by update number `step` (0 first) of a run of `steps` updates.

    Linear from peak/W at step 0 to the peak over the W updates of `warmup_steps_of` (`warmup_steps` if given, as for a
    branch whose trunk is longer). The schedule is made for H = round(horizon * steps) updates, the run's own at
    horizon 1 ([hu2024]); with f = `final`:

        wsd       peak, then over the last round(decay * H) updates linearly to f * peak
        cosine    peak * (f + (1 - f) * (1 + cos(pi * (step - W) / (H - W))) / 2)
        constant  peak

    The value f * peak is what the update after the last would use.

    Example:
        >>> [learning_rate_at(step, 10, 1.0, ScheduleSpec(0.2, 0.4)) for step in (0, 1, 5, 6, 9)]
        [0.5, 1.0, 1.0, 1.0, 0.25]
        >>> learning_rate_at(5, 10, 1.0, ScheduleSpec(0.0, 0.0, kind="cosine"))
        0.5
    """
    planned = round(steps * schedule.horizon)
    warm = warmup_steps_of(steps, schedule) if warmup_steps is None else warmup_steps
    if step < warm:
        return peak * (step + 1) / warm
    if schedule.kind == "cosine":
        share = (step - warm) / max(1, planned - warm)
        return peak * (schedule.final + (1.0 - schedule.final) * 0.5 * (1.0 + math.cos(math.pi * share)))
    decay_steps, remaining = decay_steps_of(steps, schedule), planned - step
    if schedule.kind == "wsd" and remaining < decay_steps:
        return peak * (schedule.final + (1.0 - schedule.final) * remaining / decay_steps)
    return peak


def decay_steps_of(steps: int, schedule: ScheduleSpec) -> int:
    """Updates of the decay of a run of `steps` updates."""
    return round(schedule.decay * round(steps * schedule.horizon))


def branch_ends(spec: RunSpec) -> tuple[int, ...]:
    """After how many updates from the start of the run each of its branches ends, the shortest first."""
    return tuple(sorted(tokens // spec.batch_tokens for tokens in spec.branches))


def tokens_trained(spec: RunSpec, steps: int, branches: int) -> int:
    """Tokens of the first `steps` updates of a run and of the decays of its first `branches` branches."""
    decays = sum(decay_steps_of(end, spec.schedule) for end in branch_ends(spec)[:branches])
    return (steps + decays) * spec.batch_tokens
