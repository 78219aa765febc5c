"""From a loss to a metric with bounds, such as accuracy or top-1 error.

The two-step form of Bhagia et al. is the law of a task's own loss (fit any loss law to the column `task_loss`) and
then the sigmoid of that loss. Reference: gadre2024, bhagia2024
"""

from __future__ import annotations

from isoflop.laws.law import LOSS, Input, Law, Parameter, coefficient

_CENTRE = Parameter("L_0", "loss at the steepest point", "nats", "log", (0.05, 10.0))
_STEEPNESS = Parameter("k", "steepness", "1/nats", "log", (0.1, 30.0))

LOGISTIC = Law(
    name="link-logistic",
    title="Logistic link: accuracy of loss between chance and a ceiling",
    formula="low + (high - low)/(1 + exp(k*(L - L_0)))",
    inputs=(LOSS,),
    parameters=(
        Parameter("low", "accuracy by chance", "1", "linear", (0.0, 0.6)),
        Parameter("high", "best accuracy possible", "1", "linear", (0.5, 1.1)),
        _STEEPNESS,
        _CENTRE,
    ),
    references=("grattafiori2024",),
    domain="metrics that change smoothly with loss; the ceiling is only determined by runs beyond the steepest point",
    output="accuracy",
)

EXPONENTIAL = Law(
    name="link-exponential",
    title="Gadre: error of loss, levelling off at eps",
    formula="eps - k*exp(-gamma*L)",
    inputs=(LOSS,),
    parameters=(
        coefficient("eps", "error of a model that knows nothing", (0.2, 2.0), "1"),
        coefficient("k", "error removed at zero loss, extrapolated", (1e-2, 1e2), "1"),
        Parameter("gamma", "how fast error falls as loss falls", "1/nats", "linear", (0.05, 5.0), r"\gamma"),
    ),
    references=("gadre2024",),
    domain="top-1 error averaged over many tasks; on single tasks it is unreliable",
    output="error",
)

TWO_STEP = Law(
    name="link-two-step",
    title="Bhagia: accuracy of the task's own loss, the second of two steps",
    formula="a/(1 + exp(-k*(L - L_0))) + b",
    inputs=(Input("L", "task_loss", "loss of the correct answers", "nats"),),
    parameters=(
        Parameter("a", "fall from the best accuracy to chance, negative", "1", "linear", (-1.0, -0.1)),
        _STEEPNESS,
        _CENTRE,
        Parameter("b", "best accuracy possible", "1", "linear", (0.3, 1.1)),
    ),
    references=("bhagia2024",),
    domain="multiple-choice tasks with enough questions; first fit a loss law to task_loss, then this link",
    output="accuracy",
)
