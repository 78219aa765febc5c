"""How the best learning rate and batch size change with scale: products of powers.

The optimum is flat, so points read off a sweep scatter; fit with an objective that forgives that. C in FLOP, batch in
tokens. Kaplan's learning rate, which is linear in log N, is in `isoflop.laws.kaplan`.
"""

from __future__ import annotations

from isoflop.laws.law import COMPUTE, PARAMS, TOKENS, Input, Law, Parameter, coefficient

_RATE = coefficient("K", "learning rate at scale 1", (1e-6, 1e4), "1")
_BATCH = coefficient("K", "batch size at scale 1", (1e-4, 1e6), "tokens")


def _power(name: str, of: Input) -> Parameter:
    return Parameter(name, f"power of the {of.meaning}", "1", "linear", (-1.0, 1.0))


def _law(name: str, title: str, inputs: tuple[Input, ...], output: str, reference: str, domain: str) -> Law:
    """K times a power of each input, the powers called a, b."""
    powers = tuple(_power(letter, item) for letter, item in zip("ab", inputs, strict=False))
    product = "*".join(f"{item.name}^{power.name}" for item, power in zip(inputs, powers, strict=True))
    return Law(
        name=name,
        title=title,
        formula=f"K*{product}",
        inputs=inputs,
        parameters=(_RATE if output == "learning_rate" else _BATCH, *powers),
        references=(reference,),
        domain=domain,
        output=output,
    )


DEEPSEEK_LR = _law(
    "deepseek-lr", "DeepSeek: learning rate of compute", (COMPUTE,), "learning_rate", "deepseek2024",
    "1e17 to 3e20 FLOP, multi-step schedule, C counts non-embedding FLOP per token times tokens",
)  # fmt: skip
DEEPSEEK_BATCH = _law(
    "deepseek-batch", "DeepSeek: batch size of compute", (COMPUTE,), "batch_tokens", "deepseek2024",
    "1e17 to 3e20 FLOP, multi-step schedule, C counts non-embedding FLOP per token times tokens",
)  # fmt: skip
STEP_LR = _law(
    "steplaw-lr", "Step Law: learning rate of model size and data", (PARAMS, TOKENS), "learning_rate", "steplaw2025",
    "60M to 1B non-embedding parameters, 2B to 100B tokens, cosine to a fixed minimum",
)  # fmt: skip
STEP_BATCH = _law(
    "steplaw-batch", "Step Law: batch size of data", (TOKENS,), "batch_tokens", "steplaw2025",
    "60M to 1B non-embedding parameters, 2B to 100B tokens, cosine to a fixed minimum",
)  # fmt: skip
PORIAN_LR = _law(
    "porian-lr", "Porian: learning rate of model size", (PARAMS,), "learning_rate", "porian2024",
    "RefinedWeb, small models near 20 tokens per parameter, constant learning rate after warm-up",
)  # fmt: skip
PORIAN_BATCH = _law(
    "porian-batch", "Porian: batch size of model size", (PARAMS,), "batch_tokens", "porian2024",
    "RefinedWeb, small models near 20 tokens per parameter, constant learning rate after warm-up",
)  # fmt: skip
