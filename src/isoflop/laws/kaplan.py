"""Laws of Kaplan et al. (2020) that hold more than one quantity, and their batch-size and step laws.

N non-embedding parameters, D tokens, S optimizer steps, C compute in FLOP, L loss in nats/token. The paper's compute
is in PF-days (8.64e19 FLOP) and its constants belong to its tokenizer. The closed-form frontier that follows from
them is in `isoflop.laws.kaplan_frontier`. Reference: kaplan2020
"""

from __future__ import annotations

from isoflop.laws.law import COMPUTE, LOSS, PARAMS, STEPS, TOKENS, Law, Parameter, exponent, scale

_ALPHA_N = exponent("alpha_N", "how fast loss falls with model size", r"\alpha_N")
_ALPHA_D = exponent("alpha_D", "how fast loss falls with data", r"\alpha_D")
_ALPHA_S = exponent("alpha_S", "how fast loss falls with steps", r"\alpha_S")
_SIZE = scale("N_c", "model size at which its term is 1", "parameters")

KAPLAN_COMPUTE = Law(
    name="kaplan-c",
    title="Kaplan L(C): loss of compute at the best model size",
    formula="(C_c/C)^alpha_C",
    inputs=(COMPUTE,),
    parameters=(
        scale("C_c", "compute at which the loss is 1", "FLOP"),
        exponent("alpha_C", "how fast loss falls with compute", r"\alpha_C"),
    ),
    references=("kaplan2020",),
    domain="the best loss at each compute over eight decades, WebText2; no irreducible loss, so not near a floor",
)

KAPLAN_PARAMS_TOKENS = Law(
    name="kaplan-nd",
    title="Kaplan L(N, D): loss of model size and data, stopped early (eq. 1.5)",
    formula="((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D",
    inputs=(PARAMS, TOKENS),
    parameters=(_SIZE, scale("D_c", "data at which its term is 1", "tokens"), _ALPHA_N, _ALPHA_D),
    references=("kaplan2020",),
    domain="non-embedding parameters; many epochs stopped at the best test loss, so compute is not 6ND",
)

KAPLAN_PARAMS_STEPS = Law(
    name="kaplan-ns",
    title="Kaplan L(N, S): loss of model size and training steps (eq. 1.6)",
    formula="(N_c/N)^alpha_N + (S_c/S)^alpha_S",
    inputs=(PARAMS, STEPS),
    parameters=(_SIZE, scale("S_c", "steps at which their term is 1", "steps", (1.0, 1e8)), _ALPHA_N, _ALPHA_S),
    references=("kaplan2020",),
    domain="after warm-up, data unlimited; S is the minimum number of steps, S/(1 + B_crit/B) of the run's own",
)

KAPLAN_CRITICAL_BATCH = Law(
    name="kaplan-critical-batch",
    title="Kaplan critical batch size of the loss (eq. 1.4)",
    formula="B_star/L^(1/alpha_B)",
    inputs=(LOSS,),
    parameters=(
        scale("B_star", "critical batch at a loss of 1", "tokens", (1e3, 1e12)),
        exponent("alpha_B", "1 over how fast the critical batch grows as loss falls", r"\alpha_B"),
    ),
    references=("kaplan2020",),
    domain="WebText2 and its tokenizer; the measured batches scatter by a factor of two about the law",
    output="critical_batch_tokens",
)

KAPLAN_STEPS_EXAMPLES = Law(
    name="kaplan-steps-examples",
    title="Steps against examples at one loss, the hyperbola (S/S_min - 1)(E/E_min - 1) = 1 (eq. 5.1)",
    formula="E_min*(1 + 1/(S/S_min - 1))",
    inputs=(STEPS,),
    parameters=(
        scale("E_min", "examples needed at a very small batch", "tokens"),
        scale("S_min", "steps needed at a very large batch", "steps", (1.0, 1e6)),
    ),
    references=("kaplan2020",),
    domain="runs of one model to one loss at several batch sizes; every S above S_min; B_crit = E_min/S_min",
    output="examples",
)

KAPLAN_LEARNING_RATE = Law(
    name="kaplan-lr",
    title="Kaplan learning rate of model size (eq. D.1)",
    formula="a + b*log(N)",
    inputs=(PARAMS,),
    parameters=(
        Parameter("a", "learning rate of a model with one parameter", "1", "linear", (0.0, 0.01)),
        Parameter("b", "change per unit of ln N", "1", "linear", (-1e-3, 0.0)),
    ),
    references=("kaplan2020",),
    domain="Adam with the paper's schedule, N below 1e10: with the paper's constants it is zero at 1.2e10",
    output="learning_rate",
)
