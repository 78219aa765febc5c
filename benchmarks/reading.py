"""Reading at full size: a gigabyte of CSV, ten thousand run folders, a million checkpoints.

    python -m benchmarks.reading        (make bench-readers)

Every task runs in a process of its own, so that its peak memory is its own; the figures are written to
docs/reference/inputs.md, between the marks.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.__main__ import machine

PAGE = Path(__file__).parent.parent / "docs/reference/inputs.md"
BEGIN, END = "<!-- speed: written by `make bench-readers` -->", "<!-- end of speed -->"
GIGABYTE = 1 << 30
COLUMNS = "run,step,params,tokens,learning_rate,train_loss,loss,grad_norm\n"


def checkpoints_csv(path: Path, rows: int, largest: int) -> None:
    """Checkpoints of runs of a thousand steps, as a tracker exports them, up to `rows` or `largest` bytes."""
    numbers = np.random.default_rng(0).random((1000, 4))
    tail = [f"{3e-4 * a:.6g},{3 + b:.6f},{3 + c:.6f},{d:.4f}" for a, b, c, d in numbers]
    written = run = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(COLUMNS)
        while run * 1000 < rows and written < largest:
            lines = [
                f"run-{run:05d},{s * 10},{(run + 1) * 1000000},{s * 5242880},{tail[s - 1]}\n" for s in range(1, 1001)
            ]
            written += file.write("".join(lines))
            run += 1


def checkpoints_jsonl(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for place in range(rows):
            run, step = place // 1000, place % 1000 + 1
            record = {"run": f"run-{run}", "step": step, "params": (run + 1) * 1e6, "tokens": step * 524288.0}
            file.write(json.dumps({**record, "loss": 3 + 1 / step}) + "\n")


def checkpoints_parquet(path: Path, rows: int) -> None:
    import pyarrow
    import pyarrow.parquet

    place = np.arange(rows)
    columns = {
        "run": [f"run-{number}" for number in (place // 1000).tolist()],
        "step": place % 1000 + 1,
        "params": (place // 1000 + 1) * 1e6,
        "tokens": (place % 1000 + 1) * 524288.0,
        "loss": 3 + 1 / (place % 1000 + 1),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def wandb_folders(folder: Path, runs: int) -> None:
    """Run folders as `wandb offline` leaves them, with a hundred steps each."""
    from tests.readers.golden import wandb_file

    history = [{"_step": step, "train/loss": 3 + 1 / step, "val/loss": 3.1 + 1 / step} for step in range(1, 101)]
    for run in range(runs):
        config = {"n_params": (run + 1) * 1e4, "batch_tokens": 4096, "max_steps": 100}
        place = folder / f"offline-run-20260101_{run:06d}-{run:08x}"
        place.mkdir(parents=True)
        (place / f"run-{run:08x}.wandb").write_bytes(wandb_file(history, config, name=f"run-{run}"))


def trainer_folders(folder: Path, runs: int) -> None:
    """Output folders of a Trainer, each with the state of its root and of one checkpoint."""
    from tests.readers.golden import TRAINER_STATE

    text = json.dumps(TRAINER_STATE)
    for run in range(runs):
        for place in (folder / f"run-{run:05d}", folder / f"run-{run:05d}/checkpoint-20"):
            place.mkdir(parents=True)
            (place / "trainer_state.json").write_text(text)


def measured(path: str, rows: str) -> dict[str, float]:
    """Read `path` in this process, then find its repeated rows; seconds, peak memory above that at the start, rows."""
    from isoflop.readers.read import read_unchecked
    from isoflop.runs.repeats import repeated_rows

    base = peak_kilobytes()
    told: list[int] = []
    started, cpu = time.monotonic(), time.process_time()
    wanted = None if rows == "-" else rows
    table, _ = read_unchecked(path, rows=wanted, progress=lambda what, done, total: told.append(done))
    repeated_rows(table)
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    grown = (peak_kilobytes() - base) / 1024
    return {"seconds": seconds, "cpu": cpu, "megabytes": grown, "rows": len(table), "told": len(told)}


def peak_kilobytes() -> int:
    """Peak resident memory of this program; what getrusage says begins with that of the program that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def in_a_process_of_its_own(path: Path, rows: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.reading", "--measure", str(path), rows]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


Task = tuple[str, Callable[[Path], None], str, str]
TASKS: tuple[Task, ...] = (
    ("1,000,000 checkpoint rows of CSV (8 columns)", lambda p: checkpoints_csv(p, 1_000_000, GIGABYTE), "-", "< 10 s"),
    ("1,000,000 checkpoint rows of JSON lines (5 keys)", lambda p: checkpoints_jsonl(p, 1_000_000), "-", "< 10 s"),
    ("1,000,000 checkpoint rows of Parquet", lambda p: checkpoints_parquet(p, 1_000_000), "-", "< 10 s"),
    ("1 GiB of CSV, last row of each run", lambda p: checkpoints_csv(p, 10**9, GIGABYTE), "finals", "bounded memory"),
    ("1 GiB of CSV, every row", lambda p: checkpoints_csv(p, 10**9, GIGABYTE), "-", "bounded memory"),
    ("10,000 W&B run folders", lambda p: wandb_folders(p, 10_000), "-", "bounded memory"),
    ("10,000 Trainer output folders", lambda p: trainer_folders(p, 10_000), "-", "bounded memory"),
)


def size_of(path: Path) -> float:
    """Megabytes on disk."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / (1 << 20)


def table() -> str:
    lines = [
        f"Measured on {date.today()}: {machine()}, Python {platform.python_version()}, NumPy {np.__version__}; one "
        f"process beside other work (load {os.getloadavg()[0]:.1f} at the start), so CPU seconds are what to go by. "
        "Memory is the peak above that of an interpreter that has loaded isoflop. Reading includes the search for "
        "repeated rows.",
        "",
        "| task | size | wall | CPU | memory | rows | reports of progress | goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, make, rows, goal) in enumerate(TASKS):
            path = Path(folder, f"task-{number}")
            make(path)
            got = in_a_process_of_its_own(path, rows)
            lines.append(
                f"| {name} | {size_of(path):.0f} MB | {got['seconds']:.1f} s | {got['cpu']:.1f} s "
                f"| {got['megabytes']:.0f} MB | {got['rows']:,.0f} | {got['told']:,.0f} | {goal} |"
            )
            print(lines[-1], flush=True)
            subprocess.run(["rm", "-rf", str(path)], check=True)
    return "\n".join(lines)


def replace_between(page: Path, begin: str, end: str, text: str) -> None:
    whole = page.read_text(encoding="utf-8")
    start, stop = whole.index(begin) + len(begin), whole.index(end)
    page.write_text(f"{whole[:start]}\n\n{text}\n\n{whole[stop:]}", encoding="utf-8")


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--measure"]:
        print(json.dumps(measured(*arguments[1:])))
        return
    replace_between(PAGE, BEGIN, END, table())


if __name__ == "__main__":
    main(sys.argv[1:])
