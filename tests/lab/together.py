"""Started by torchrun: trains the cases of `cases.json` one after another, all processes together.

python -m torch.distributed.run --standalone --nproc-per-node 2 together.py DIRECTORY
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isoflop.lab.corpus import load_corpus
from isoflop.lab.environment import use_one_thread
from isoflop.lab.ranks import Ranks, joined
from isoflop.lab.training import Interrupted, train
from isoflop.runs.spec import RunSpec


class Quiet:
    """An attempt of which only the place counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self, record: dict[str, Any]) -> None:
        """Forget it."""


def stopping(ranks: Ranks, case: dict[str, Any]) -> Callable[[], bool]:
    """Raised after some updates, in the last process alone."""
    updates = 0

    def stop() -> bool:
        nonlocal updates
        updates += 1
        return updates == case.get("stop_after") and ranks.rank == ranks.size - 1

    return stop


def train_case(ranks: Ranks, place: Path, case: dict[str, Any]) -> dict[str, Any]:
    """What came out of one case."""
    spec = RunSpec.from_dict(case["spec"])
    try:
        run = train(
            spec,
            load_corpus(place / "corpus"),
            attempt=Quiet(place / case["name"]),
            resume_from=[place / name for name in case.get("resume_from", ())],
            on_progress=lambda progress: None,
            stop=stopping(ranks, case),
            ranks=ranks,
            strategy=case["strategy"],
        )
    except Interrupted as interruption:
        return {"interrupted": interruption.step}
    return {**run.to_dict(), "curve": [run.curve.step, run.curve.loss]}


def main() -> None:
    """Train every case; process 0 writes what came out."""
    place = Path(sys.argv[1])
    use_one_thread()
    with joined() as ranks:
        for case in json.loads((place / "cases.json").read_text()):
            result = train_case(ranks, place, case)
            if ranks.writes:
                (place / f"{case['name']}.json").write_text(json.dumps(result))
        ranks.any(False)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
