"""Loss during training under any learning-rate schedule, and the numbers that summarise a schedule for these laws.

A law's formula sees one row at a time, a schedule is a series; so the series is first summed up into columns:

    lr_area       S1 = Σ η_i                                 how far the weights could have moved
    lr_annealing  S2 = Σ_i Σ_{k≤i} (η_{k-1} - η_k)·λ^(i-k)   how much, and how long ago, the rate was lowered

`annealing_columns` computes both from the rates of all steps. The multi-power law sums a nonlinear term over all drops
of the rate: as a formula it is given for one drop (a two-stage schedule), and `multi_power_loss` computes it for any
schedule. Reference: tissue2024, luo2025
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from isoflop.errors import UsageError
from isoflop.laws.law import Input, Law, coefficient, exponent

if TYPE_CHECKING:
    from isoflop.laws.graph import Array

_AREA = Input("S_1", "lr_area", "sum of the learning rates so far", "1")
_FLOOR = coefficient("L_0", "loss after infinitely many steps", (0.1, 10.0))
_SCALE = coefficient("A", "scale of the loss that training removes", (1e-3, 1e3))
_FALL = exponent("alpha", "how fast loss falls with the sum of learning rates", r"\alpha")

TISSUE = Law(
    name="tissue",
    title="Tissue: loss of the area under the learning rate and of its annealing",
    formula="L_0 + A/S_1^alpha - C*S_2",
    inputs=(_AREA, Input("S_2", "lr_annealing", "annealing momentum", "1")),
    parameters=(_FLOOR, _SCALE, coefficient("C", "loss removed per unit of annealing", (1e-4, 1e3)), _FALL),
    references=("tissue2024",),
    domain="one model at every step after warm-up, any schedule; the decay λ of S_2 is chosen beforehand, near .999",
)

MULTI_POWER = Law(
    name="multi-power",
    title="Multi-power law for one drop of the learning rate",
    formula="L_0 + A/S_1^alpha - B*H*(1 - (1 + C*S_D/R^gamma)^(-beta))",
    inputs=(
        _AREA,
        Input("H", "lr_drop", "height of the drop: rate before minus rate after", "1"),
        Input("R", "lr_low", "learning rate after the drop", "1"),
        Input("S_D", "lr_area_after", "sum of the learning rates since the drop", "1"),
    ),
    parameters=(
        _FLOOR,
        _SCALE,
        coefficient("B", "loss removed per unit of drop, in the end", (1.0, 1e4)),
        coefficient("C", "how fast a drop takes effect", (1e-2, 1e2), "1"),
        _FALL,
        exponent("beta", "how the effect of a drop levels off", r"\beta"),
        exponent("gamma", "how the effect depends on the rate after the drop", r"\gamma"),
    ),
    references=("luo2025",),
    domain="one model at every step after warm-up, constant rate and then a lower constant rate; any schedule with "
    "isoflop.laws.schedule.multi_power_loss",
)


def annealing_columns(rates: Sequence[float] | Array, decay: float = 0.999) -> dict[str, Array]:
    """The columns `lr_area` and `lr_annealing` (each (s,)) of a schedule: S1 and S2 after each of its s steps.

    `rates` holds the learning rate of every step, `decay` is λ. Warm-up counts as negative annealing, so start the
    series at the peak if the law is to hold from there.

    Raises:
        UsageError: `decay` is not between 0 and 1, or there are no rates.

    Reference: tissue2024

    Example:
        >>> columns = annealing_columns([1.0, 1.0, 0.5, 0.0], decay=0.5)
        >>> columns["lr_area"].tolist(), columns["lr_annealing"].tolist()
        ([1.0, 2.0, 2.5, 2.5], [0.0, 0.0, 0.5, 1.25])
    """
    import numpy as np

    series = _series(rates)
    if not 0.0 <= decay < 1.0:
        raise UsageError(f"decay={decay!r} must be at least 0 and below 1, for example 0.999.")
    momentum = np.zeros(len(series))
    for step in range(1, len(series)):
        momentum[step] = decay * momentum[step - 1] + series[step - 1] - series[step]
    return {"lr_area": np.cumsum(series), "lr_annealing": np.cumsum(momentum)}


def multi_power_loss(rates: Sequence[float] | Array, theta: Mapping[str, float], warmup_area: float = 0.0) -> Array:
    """Loss (s,) after every step of any schedule by the multi-power law.

        L(t) = L_0 + A·(S_1(t) + S_W)^(-alpha) - B·Σ_k (η_{k-1} - η_k)·G(η_k^(-gamma)·S_k(t))

    Here G(x) = 1 - (1 + C·x)^(-beta) and S_k(t) = η_k + … + η_t. `rates` starts after warm-up, whose sum of rates is
    `warmup_area` (S_W). The constants that Luo et al. print count the rise to the peak rate as a drop too: add
    B·η_peak to their L_0, or the loss comes out 0.11 to 0.16 nats too low.

    Raises:
        UsageError: there are no rates, or one is not positive.

    Reference: luo2025

    Example:
        >>> theta = {"L_0": 2.0, "A": 0.5, "B": 400.0, "C": 2.0, "alpha": 0.5, "beta": 0.6, "gamma": 0.6}
        >>> multi_power_loss([1e-3] * 100 + [1e-4] * 100, theta).round(4)[[0, 99, 199]].tolist()
        [17.8114, 3.5811, 3.2701]
    """
    import numpy as np

    series = _series(rates)
    if not np.all(series > 0.0):
        raise UsageError(f"rates: the learning rate of step {int(np.argmin(series > 0.0))} must be positive.")
    area = np.cumsum(series)
    loss = theta["L_0"] + theta["A"] * (area + warmup_area) ** -theta["alpha"]
    for step in np.flatnonzero(np.diff(series) != 0.0) + 1:
        since = area[step:] - area[step - 1]
        effect = 1.0 - (1.0 + theta["C"] * since / series[step] ** theta["gamma"]) ** -theta["beta"]
        loss[step:] -= theta["B"] * (series[step - 1] - series[step]) * effect
    return np.asarray(loss)


def _series(rates: Sequence[float] | Array) -> Array:
    import numpy as np

    series = np.asarray(rates, dtype=float)
    if series.ndim != 1 or not len(series):
        raise UsageError("rates: give the learning rate of every step as one series.")
    return series
