"""Intervals of simple-scaling-laws 0.2.0; run by its own interpreter (Python 3.12): interval_peer.py LEVEL < studies.

A study is one line of JSON: params, tokens, loss, and the two points to forecast. What comes back is one line with
the bounds of alpha, beta, E, the exponent of the optimal model size, and the expected loss at the two points, all from
300 of the package's own draws (its default is 1,000: the bounds differ little, the time threefold). The exponent is
that of each draw. The package wants one size and one length for a run, so every checkpoint is a run of its own to it.
"""

import json
import os
import sys
import warnings

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", POLARS_MAX_THREADS="1")

import numpy as np
import polars as pl
import simple_scaling_laws

SIZE, DATA, LOSS = "model_size__n_params", "dataset_size__n_tokens", "test_loss__cross_entropy"


def bounds(study: dict, level: float) -> list:
    tails = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    runs = {
        "training_run_id": [f"run-{number}" for number in range(len(study["loss"]))],
        SIZE: study["params"],
        DATA: study["tokens"],
        LOSS: study["loss"],
    }
    model = simple_scaling_laws.fit(pl.DataFrame(runs), n_draws=300, seed=0)
    floor, _, _, alpha, beta = model.draws[LOSS].params.T
    asked = np.stack([alpha, beta, floor, beta / (alpha + beta)])
    found = np.nanquantile(asked, tails, axis=1).T.tolist()
    far = model.predict({SIZE: study["far_params"], DATA: study["far_tokens"]}, quantiles=tails)
    columns = [name for name in far.columns if name.startswith(LOSS)]
    return found + [[float(row[name]) for name in columns] for row in far.iter_rows(named=True)]


def main() -> None:
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        print(json.dumps(bounds(json.loads(line), float(sys.argv[1]))), flush=True)


if __name__ == "__main__":
    main()
