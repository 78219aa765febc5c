"""How honest the demo is: run it on seeds its design never saw, and write what came.

    python benchmarks/demo_honesty.py --work demos --seeds 5 6 7 8 9

The ladder, the schedule and the rule for which rows are fitted were settled on seeds 0 and 1; this script runs the
finished demo on others, on three texts: the Python standard library's own source, CC0 prose (five Standard Ebooks
productions, found through $ISOFLOP_DATA), and the synthetic source whose entropy is known exactly. It goes on where it
stopped, so it may be interrupted; the table it writes is docs/reference/demo.md.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from isoflop.lab.corpus import load_corpus

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "demo.md"
TITLES = {
    "python-stdlib": "Python standard library source (the default)",
    "prose": "CC0 prose (five Standard Ebooks productions)",
    "synthetic": "Synthetic source of known entropy",
}


@dataclass(frozen=True)
class Demo:
    """One demo as it came out; `ratio` is the target's 6ND over the ladder's largest, `seconds` process CPU time."""

    text: str
    seed: int
    forecast: dict[str, float]
    actual: float
    ratio: float
    seconds: float
    floor: dict[str, float]
    entropy: float | None

    @property
    def error(self) -> float:
        """forecast / actual - 1."""
        return self.forecast["value"] / self.actual - 1.0

    @property
    def covered(self) -> bool:
        """Whether the outcome fell inside the interval."""
        return self.forecast["low"] <= self.actual <= self.forecast["high"]

    @property
    def width(self) -> float:
        """Full width of the interval over the forecast."""
        return (self.forecast["high"] - self.forecast["low"]) / self.forecast["value"]


def main() -> None:
    """Run what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where the demos go; a demo that is there is kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 6, 7, 8, 9])
    parser.add_argument("--texts", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    demos = []
    for seed in options.seeds:
        for text in options.texts:
            demos.append(run(text, seed, options.work))
            print(f"{text} seed {seed}: error {demos[-1].error:+.2%}", file=sys.stderr, flush=True)
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text(page(demos, options.texts, options.seeds), encoding="utf-8")
    print(options.page)


def run(text: str, seed: int, work: Path) -> Demo:
    """One demo in a directory of its own, through the command a user types."""
    place = work / f"{text}-{seed}"
    source = str(prose(work)) if text == "prose" else text
    command = [sys.executable, "-m", "isoflop", "demo", "--text", source, "--seed", str(seed), "--json", "--force"]
    done = subprocess.run([*command, "--out", str(place)], stdout=subprocess.PIPE, text=True, check=True)
    outcome = json.loads(done.stdout)
    fit = json.loads(Path(outcome["fit"]).read_text())
    held_out = outcome["held_out"][0]
    columns = fit["rows"]["columns"]
    largest = max(n * d for n, d in zip(columns["params"], columns["tokens"], strict=True))
    results = [json.loads(path.read_text()) for path in place.glob("runs/*/result.json")]
    return Demo(
        text=text,
        seed=seed,
        forecast=held_out["forecast"],
        actual=held_out["actual"],
        ratio=held_out["params"] * held_out["tokens"] / largest,
        seconds=sum(result["cpu_seconds"] for result in results),
        floor=closed(fit["params"]["E"]),
        entropy=known_floor(place, results[0]["spec"]["shape"]["context"]),
    )


def closed(estimate: dict[str, float | None]) -> dict[str, float]:
    """The estimate of a positive parameter with 0 and infinity for bounds that are open."""
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    assert value is not None
    return {"value": value, "low": 0.0 if low is None else low, "high": float("inf") if high is None else high}


def known_floor(place: Path, context: int) -> float | None:
    """Entropy of the source as a model with this context can know it at best; None for a text of unknown entropy."""
    (folder,) = (path.parent for path in place.glob("corpus/*/corpus.json"))
    known = load_corpus(folder).known
    return known.floor(context) if known else None


def prose(work: Path) -> Path:
    """The CC0 prose as a folder of text."""
    folder = work / "prose-text"
    target = folder / "standardebooks.txt"
    if not target.exists():
        data = os.environ.get("ISOFLOP_DATA")
        if not data:
            sys.exit("prose needs ISOFLOP_DATA, the directory of public run data; or leave it out with --texts.")
        folder.mkdir(parents=True, exist_ok=True)
        target.write_bytes(lzma.decompress((Path(data) / "text" / "standardebooks.txt.xz").read_bytes()))
    return folder


def page(demos: Sequence[Demo], texts: Sequence[str], seeds: Sequence[int]) -> str:
    """The page in Markdown."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}"
    lines = [
        "# How honest the demo is",
        "",
        "The quickstart study on seeds its design never saw: ladder, schedule and the rule for which rows are fitted "
        "were settled on seeds 0 and 1. Every forecast was written to disk before its run was trained.",
        "",
        f"Written by `python benchmarks/demo_honesty.py --work demos --seeds {' '.join(map(str, seeds))}` on {today}, "
        f"{machine}.",
        "",
        "| text | median abs. error | worst | inside the 90 % interval | median width | CPU-minutes |",
        "|---|---|---|---|---|---|",
    ]
    for text in texts:
        chosen = [demo for demo in demos if demo.text == text]
        errors = [abs(demo.error) for demo in chosen]
        lines.append(
            f"| {TITLES[text]} | {statistics.median(errors):.2%} | {max(errors):.2%} | "
            f"{sum(demo.covered for demo in chosen)} of {len(chosen)} | "
            f"{statistics.median(demo.width for demo in chosen):.1%} | "
            f"{statistics.median(demo.seconds for demo in chosen) / 60:.1f} |"
        )
    for text in texts:
        lines += ["", f"## {TITLES[text]}", "", *table([demo for demo in demos if demo.text == text])]
    return "\n".join(lines) + "\n"


def table(demos: Sequence[Demo]) -> list[str]:
    """One row for every demo of one text, and the known entropy beside the fitted E."""
    known = next((demo.entropy for demo in demos if demo.entropy is not None), None)
    head = "| seed | forecast | 90 % interval | outcome | error | inside | compute over the ladder's largest |"
    lines = [head + (" E (90 % interval) |" if known else ""), "|---" * (8 if known else 7) + "|"]
    for demo in demos:
        low, high = demo.forecast["low"], demo.forecast["high"]
        row = (
            f"| {demo.seed} | {demo.forecast['value']:.4f} | [{low:.4f}, {high:.4f}] | {demo.actual:.4f} | "
            f"{demo.error:+.2%} | {'yes' if demo.covered else 'no'} | {demo.ratio:.2f}× |"
        )
        floor = demo.floor
        lines.append(row + (f" {floor['value']:.4f} [{floor['low']:.4f}, {floor['high']:.4f}] |" if known else ""))
    if known:
        inside = sum(demo.floor["low"] <= known <= demo.floor["high"] for demo in demos)
        sentence = f"{inside} of {len(demos)} intervals of E contain it."
        lines += [
            "",
            f"The entropy of the source, seen through windows of this context, is {known:.4f} nats/token; {sentence}",
        ]
    return lines


if __name__ == "__main__":
    main()
