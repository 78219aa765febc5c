"""Vocabulary size as a scaling variable: the parameters of the vocabulary have an exponent of their own.

Losses of models with different vocabularies are comparable only after normalising by a unigram model's, which is why
the output can be negative: fit it with an objective `@value`. Reference: tao2024
"""

from __future__ import annotations

from isoflop.laws.law import Input, Law, coefficient, exponent

TAO = Law(
    name="tao",
    title="Tao: unigram-normalised loss of body, vocabulary and data",
    formula="-E + A_1/N^alpha_1 + A_2/V^alpha_2 + B/H^beta",
    inputs=(
        Input("N", "params_non_embedding", "parameters outside the vocabulary", "parameters"),
        Input("V", "params_vocabulary", "parameters of the vocabulary", "parameters"),
        Input("H", "characters", "training characters", "characters"),
    ),
    parameters=(
        coefficient("E", "how far below a unigram model an infinite one ends", (0.1, 20.0)),
        coefficient("A_1", "scale of the loss due to a finite body", (1e-1, 1e5), "nats · parameters^alpha_1"),
        coefficient("A_2", "scale of the loss due to a finite vocabulary", (1e-1, 1e5), "nats · parameters^alpha_2"),
        coefficient("B", "scale of the loss due to finite data", (1e-1, 1e5), "nats · characters^beta"),
        exponent("alpha_1", "how fast loss falls with the body", r"\alpha_1"),
        exponent("alpha_2", "how fast loss falls with the vocabulary", r"\alpha_2"),
        exponent("beta", "how fast loss falls with data", r"\beta"),
    ),
    references=("tao2024",),
    domain="33M to 1.1B parameters outside the vocabulary, vocabularies of 4k to 96k, data counted in characters",
    output="loss_unigram_normalised",
)
