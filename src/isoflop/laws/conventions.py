"""From one way of counting parameters to another, N_T = N_E + gamma·N_E^(1/3). Reference: pearce2024."""

from __future__ import annotations

from isoflop.laws.law import Input, Law, coefficient

PEARCE = Law(
    name="pearce",
    title="Pearce-Song: all parameters of those outside the embeddings",
    formula="N_E + gamma*N_E^(1/3)",
    inputs=(Input("N_E", "params_non_embedding", "parameters outside the embeddings", "parameters"),),
    parameters=(coefficient("gamma", "vocabulary times the aspect-ratio factor", (1e2, 1e7), "parameters^(2/3)"),),
    references=("pearce2024",),
    domain="models of one shape family and one vocabulary; 32k tokens and a width of about 39 times the depth in the "
    "published constant",
    output="params_total",
)
