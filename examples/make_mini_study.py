"""Write the example table `src/isoflop/examples/mini_study.csv` from the log of our own trainings.

    python examples/make_mini_study.py DIRECTORY

DIRECTORY holds `runs_pystdlib_rope.csv` (the ladder) and `runs_pystdlib_rope_held.csv` (the larger run).
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src" / "isoflop" / "examples" / "mini_study.csv"

# Column of the example table → column of the training log.
COLUMNS = {
    "params": "N_total",
    "params_total": "N_total",
    "params_non_embedding": "N_nonemb",
    "tokens": "tokens",
    "compute": "C_exact",
    "loss": "loss",
    "loss_standard_error": "se",
    "seed": "seed",
    "width": "d",
    "layers": "L",
    "heads": "h",
    "vocab": "V",
    "context": "T",
    "learning_rate": "lr",
}


def main(directory: Path) -> None:
    """Write the table: the ladder with `held_out` 0, the larger run with 1."""
    rows = []
    for name, held_out in (("runs_pystdlib_rope.csv", 0), ("runs_pystdlib_rope_held.csv", 1)):
        with (directory / name).open(newline="") as stream:
            rows += [(record, held_out) for record in csv.DictReader(stream)]
    with TARGET.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["run", *COLUMNS, "batch_tokens", "held_out"])
        for number, (record, held_out) in enumerate(rows, start=1):
            cells = [_plain(record[source]) for source in COLUMNS.values()]
            writer.writerow([f"run-{number:02d}", *cells, int(record["B"]) * int(record["T"]), held_out])


def _plain(text: str) -> str:
    return str(int(float(text))) if float(text).is_integer() else text


if __name__ == "__main__":
    main(Path(sys.argv[1]))
