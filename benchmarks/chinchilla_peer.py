"""The `chinchilla` package on the same runs; run by its own interpreter: chinchilla_peer.py RUNS.csv COUNT SEED.

It knows no subset of a grid, so its product of the axes is replaced by COUNT random points of Hoffmann's 4,500, its
process pool by none (it opens one of all cores even where told not to use it), and its plot is left out. The times are
CPU seconds of `Chinchilla.fit` alone.
"""

import csv
import itertools
import json
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import chinchilla.core
import numpy as np
from chinchilla import Chinchilla
from chinchilla._metrics import log_huber

GRID = {
    "e": np.arange(-1.0, 1.5, 0.5),
    "a": np.arange(0.0, 30.0, 5.0),
    "b": np.arange(0.0, 30.0, 5.0),
    "alpha": np.arange(0.0, 2.5, 0.5),
    "beta": np.arange(0.0, 2.5, 0.5),
}


def main(path: str, count: int, seed: int) -> None:
    starts = list(itertools.product(*GRID.values()))
    chosen = np.random.default_rng(seed).choice(len(starts), count, replace=False)
    chinchilla.core.itertools = SimpleNamespace(product=lambda *axes: [starts[index] for index in chosen])
    chinchilla.core.multiprocessing = SimpleNamespace(Pool=lambda workers: nullcontext())
    with tempfile.TemporaryDirectory() as place, np.errstate(all="ignore"):
        model = Chinchilla(place, param_grid=GRID, loss_fn=partial(log_huber, delta=1e-3), log_level=50)
        model.visualizer.optim = lambda *arguments, **options: None
        with open(path) as file:
            for row in csv.DictReader(file):
                size, data, loss = (float(row[name]) for name in ("params", "tokens", "loss"))
                model.append(N=size, D=data, C=6.0 * size * data, loss=loss)
        begin = time.process_time()
        model.fit(parallel=False)
        seconds = time.process_time() - begin
        theta = [float(value) for value in (model.E, model.A, model.B, model.alpha, model.beta)]
    print(json.dumps({"seconds": seconds, "starts": len(starts), "theta": theta}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
