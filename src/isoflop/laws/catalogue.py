"""The laws that ship, listed one by one, and `find`."""

from __future__ import annotations

from difflib import get_close_matches

from isoflop.errors import UsageError
from isoflop.laws import (
    broken,
    chinchilla,
    conventions,
    coupled,
    error_rates,
    farseer,
    generic,
    hyperparameters,
    kaplan,
    links,
    overtrained,
    power,
    precision,
    repeated,
    schedule,
    sparse,
    transfer,
    vocabulary,
)
from isoflop.laws.law import Law

LAWS: tuple[Law, ...] = (
    # model size and data
    chinchilla.CHINCHILLA,
    chinchilla.CHINCHILLA_TIED,
    chinchilla.CHINCHILLA_NO_FLOOR,
    coupled.COUPLED,
    *coupled.COUPLED_STRENGTHS,
    coupled.DATA_DEMAND,
    coupled.SIZE_DEMAND,
    coupled.LOG_QUADRATIC,
    broken.BROKEN_CHINCHILLA,
    kaplan.KAPLAN_PARAMS_TOKENS,
    overtrained.GADRE,
    farseer.FARSEER,
    # one quantity
    power.KAPLAN_PARAMS,
    power.KAPLAN_TOKENS,
    kaplan.KAPLAN_COMPUTE,
    power.POWER_COMPUTE,
    power.FLOOR_PARAMS,
    power.FLOOR_TOKENS,
    power.FLOOR_COMPUTE,
    # any quantity, any metric
    generic.POWER,
    generic.POWER_SCALE,
    generic.POWER_FLOOR,
    broken.BROKEN_1,
    broken.BROKEN_2,
    broken.BROKEN_3,
    generic.HESTNESS,
    error_rates.ROSENFELD,
    error_rates.M1,
    error_rates.M2,
    error_rates.M3,
    error_rates.M4,
    # repeated data, sparsity, precision, vocabulary, fine-tuning
    repeated.REPEATED,
    repeated.REPEATED_DATA,
    sparse.CLARK,
    sparse.KRAJEWSKI,
    sparse.ABNAR,
    precision.KUMAR,
    precision.KUMAR_WEIGHTS,
    precision.KUMAR_QUANTISED,
    vocabulary.TAO,
    transfer.HERNANDEZ,
    transfer.HERNANDEZ_LOSS,
    # training curves, batch size, learning rate
    kaplan.KAPLAN_PARAMS_STEPS,
    schedule.TISSUE,
    schedule.MULTI_POWER,
    kaplan.KAPLAN_CRITICAL_BATCH,
    kaplan.KAPLAN_STEPS_EXAMPLES,
    kaplan.KAPLAN_LEARNING_RATE,
    hyperparameters.DEEPSEEK_LR,
    hyperparameters.DEEPSEEK_BATCH,
    hyperparameters.STEP_LR,
    hyperparameters.STEP_BATCH,
    hyperparameters.PORIAN_LR,
    hyperparameters.PORIAN_BATCH,
    # from loss to metrics, from one count of parameters to another
    links.LOGISTIC,
    links.EXPONENTIAL,
    links.TWO_STEP,
    conventions.PEARCE,
)


def find(name: str) -> Law:
    """The law called `name`.

    Raises:
        UsageError: no law has that name; the message names those that are spelled alike.

    Example:
        >>> find("chinchilla").parameter_names
        ('E', 'A', 'B', 'alpha', 'beta')
    """
    for law in LAWS:
        if law.name == name:
            return law
    alike = get_close_matches(name, [law.name for law in LAWS], 5)
    meant = f"did you mean {' or '.join(alike)}? " if alike else ""
    raise UsageError(f"law {name!r} is unknown: {meant}`isoflop laws` lists the {len(LAWS)} there are.")
