"""Tables of published runs: GPT-3's compute, and Cerebras-GPT forecasting its largest model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isoflop.accounting.flops import six_nd
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import predict
from isoflop.runs.table import RunTable
from tests.published.published_case import Published

PF_DAY = 8.64e19  # FLOP

# Brown et al. (2020), Table D.1: parameters in millions, training tokens in billions, PF-days. T5 is an encoder and a
# decoder: half of it sees each token, so it takes 3 FLOP for each parameter and token.
GPT_3 = {
    "T5-Small": (60, 1000, "2.08"), "T5-Base": (220, 1000, "7.64"), "T5-Large": (770, 1000, "26.7"),
    "T5-3B": (3000, 1000, "104"), "T5-11B": (11000, 1000, "382"), "BERT-Base": (109, 250, "1.89"),
    "BERT-Large": (355, 250, "6.16"), "RoBERTa-Base": (125, 2000, "17.4"), "RoBERTa-Large": (355, 2000, "49.3"),
    "GPT-3 Small": (125, 300, "2.60"), "GPT-3 Medium": (356, 300, "7.42"), "GPT-3 Large": (760, 300, "15.8"),
    "GPT-3 XL": (1320, 300, "27.5"), "GPT-3 2.7B": (2650, 300, "55.2"), "GPT-3 6.7B": (6660, 300, "139"),
    "GPT-3 13B": (12850, 300, "268"), "GPT-3 175B": (174600, 300, "3.64e3"),
}  # fmt: skip

# Model cards of Cerebras-GPT (Dey et al. 2023): training FLOP, and cross-entropy on the Pile's test set in nats.
CEREBRAS = {
    "111M": (2.6e18, 2.566), "256M": (1.3e19, 2.299), "590M": (6.1e19, 2.184), "1.3B": (2.8e20, 1.996),
    "2.7B": (1.1e21, 1.834), "6.7B": (6.3e21, 1.704),
}  # fmt: skip
LARGEST = 2.3e22  # FLOP of the 13B model, whose loss is 1.575


def pf_days(model: str) -> float:
    millions, billions, _ = GPT_3[model]
    whole = six_nd(millions * 1e6, billions * 1e9) / PF_DAY
    return whole / 2.0 if model.startswith("T5") else whole


def forecast_13b(_: Path | None = None) -> float:
    """The loss at the compute of the 13B model by the power law through the six smaller ones."""
    compute, loss = np.array(list(CEREBRAS.values())).T
    fitted = fit("power-c", RunTable.from_columns({"compute": compute, "loss": loss}), objective="ls", draws=0)
    return float(predict(fitted.law, fitted.theta, {"compute": np.array([LARGEST])})[0, 0])


CASES = [
    *(
        Published(f"Brown, Table D.1, PF-days of {model}", printed, lambda _, m=model: pf_days(m))
        for model, (*_, printed) in GPT_3.items()
    ),
    Published("Cerebras-GPT, 13B forecast from six, an earlier solver", "1.582", forecast_13b),
    Published("Cerebras-GPT, 13B measured", "1.575", forecast_13b, 0.008, "a forecast 8 times beyond its runs in "
              "compute: 0.5 % too high"),
]  # fmt: skip
