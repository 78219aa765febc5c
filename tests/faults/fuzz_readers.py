"""Coverage-guided fuzzing of the readers with atheris: bytes that reach new branches are kept and changed further.

    python tests/faults/fuzz_readers.py --runs 100000 --counts counts.jsonl

Every execution hands bytes to one reader, chosen by the first byte; only errors meant for users may come out. A fault
leaves its input in `crash-*` and a traceback, and the exit code is not 0.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import atheris

REPOSITORY = Path(__file__).parent.parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "src")]

with atheris.instrument_imports(include=["isoflop.readers", "isoflop.runs", "isoflop.quantities"]):
    from tests.faults.reader_families import SLOW_SECONDS, read_input, seeds, workplace

SEEDS = [(family, seed) for family, several in seeds().items() for seed in several]
REPORT_EVERY = 500


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--counts", type=Path)
    return parser.parse_args()


def main() -> None:
    options = parsed()
    endings: Counter[str] = Counter()
    families: Counter[str] = Counter()
    slowest = 0.0
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()

    with workplace() as folder, workplace() as corpus:
        for number, (_, seed) in enumerate(SEEDS):
            largest = max(seed.files, key=lambda name: len(seed.files[name]))
            (corpus / f"seed-{number}").write_bytes(bytes([number]) + seed.files[largest])

        def one(data: bytes) -> None:
            nonlocal slowest
            if not data:
                return
            family, seed = SEEDS[data[0] % len(SEEDS)]
            largest = max(seed.files, key=lambda name: len(seed.files[name]))
            ending = read_input({**seed.files, largest: data[1:]}, seed.target, folder)
            endings[ending.outcome] += 1
            families[family] += 1
            slowest = max(slowest, ending.seconds)
            assert ending.seconds < SLOW_SECONDS, f"{family}: {ending.seconds:.1f} s"
            done = endings.total()
            if options.counts and (done == options.runs or done % REPORT_EVERY == 0):
                grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024
                record = {"family": "coverage-guided (atheris)", **endings, "slowest": slowest, "megabytes": grown}
                write(options.counts, {**record, "seconds": round(time.monotonic() - started)})

        atheris.Setup(
            [sys.argv[0], f"-runs={options.runs}", "-max_len=8192", "-timeout=10", "-rss_limit_mb=4096", str(corpus)],
            one,
        )
        atheris.Fuzz()


def write(path: Path, record: dict[str, object]) -> None:
    """The latest record of this run in place of its earlier ones; the fuzzer ends the process without returning."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if json.loads(line)["family"] != record["family"]]
    path.write_text("\n".join([*kept, json.dumps(record)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
