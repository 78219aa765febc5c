"""Every recipe: three sizes that can be planned, one of which is trained here from its file to its page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from isoflop.accounting.flops import training_flops
from isoflop.accounting.hardware import find_device
from isoflop.errors import InputError
from isoflop.runs.directory import RunDirectory
from isoflop.runs.spec import RunSpec, TextPart, TextSpec
from isoflop.studies.begin import begin_study
from isoflop.studies.cost import RENTED_DEVICE, RENTED_UTILISATION, seconds_on_one_core
from isoflop.studies.driver import StudyOutcome, run_study
from isoflop.studies.engines import engine_for
from isoflop.studies.plan import plan_runs
from isoflop.studies.progress import QuietReporter
from isoflop.studies.recipe import SIZES, load_recipe, recipe_names, recipe_text, recipe_title
from isoflop.studies.report import study_report
from isoflop.studies.study import FORECAST, Study
from isoflop.studies.verification import verify_study

ANALYSED = [name for name in recipe_names() if load_recipe(name).analysis != FORECAST]
ISSUED = {
    "quickstart", "model-size", "data-size", "compute", "overfit", "steps", "batch", "shape", "embedding", "lstm",
    "context", "transfer", "stop-early", "schedule", "isoflop", "envelope", "parametric", "kaplan-vs-chinchilla",
    "repeat", "learning-rate", "known-entropy", "emergence", "optimizer", "sample-efficiency", "recurrent",
    "power-vs-log", "mixture",
}  # fmt: skip
# What the gpu size rests on: nobody has run it. One H100 at 30 % of its bfloat16 peak, and web text in byte pairs.
GPU_FLOP_PER_HOUR = 3600.0 * RENTED_UTILISATION * find_device(RENTED_DEVICE).peak_flops
BYTES_PER_TOKEN = {"bpe:32768": 4.6}
ABOUT_EPOCHS = {"data-size", "repeat", "overfit"}
LARGEST_LOGITS = 65_536 * 32_768
"""Logits of one micro-batch: 9 GB in float32, of which a step holds a few."""


def text_for(study: Study) -> TextSpec:
    parts = tuple(TextPart(name, 5_000_000, 250_000) for name, _ in study.text.parts)
    return TextSpec(study.text.source, "0" * 64, 96, 10_000_000, 500_000, parts)


def gpu_text_for(study: Study) -> TextSpec:
    """The text of a gpu size as it would be, from its limits: a twentieth is held out."""
    pairs = BYTES_PER_TOKEN.get(study.text.tokenizer, 1.0)
    parts = tuple(TextPart(name, int(0.95 * (part.limit or 0) / pairs), 1_000_000) for name, part in study.text.parts)
    tokens = sum(part.tokens for part in parts) or int(0.95 * (study.text.limit or 0) / pairs)
    return TextSpec(study.text.source, "0" * 64, 96 if pairs == 1.0 else 32_768, tokens, 1_000_000, parts)


def epochs_of(spec: RunSpec) -> float:
    """How often a run reads its text, or that part of it which it reads most often."""
    shares = zip(spec.mixture, spec.text.parts, strict=True) if spec.mixture else ()
    of_parts = [share / sum(spec.mixture) * spec.tokens / part.tokens for share, part in shares]
    return max(of_parts, default=spec.tokens / spec.text.tokens)


def smoke(name: str, place: Path, seed: int | None = None) -> StudyOutcome:
    study_file = begin_study(place, name, size="smoke", seed=seed)
    return run_study(study_file, engine=engine_for(study_file, "inline"), reporter=QuietReporter())


def test_all_recipes_are_there() -> None:
    assert set(recipe_names()) == ISSUED


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", recipe_names())
def test_every_size_of_a_recipe_can_be_planned_and_keeps_its_promise(name: str, size: str) -> None:
    study = load_recipe(name, size)
    assert study.recipe == study.name == name
    assert "{" + "{" not in recipe_text(name, size) and "{%" not in recipe_text(name, size)
    planned = plan_runs(study, gpu_text_for(study) if size == "gpu" else text_for(study))
    assert len({run.spec.identifier for run in planned}) == len(planned) >= 2
    compute = sum(run.compute for run in planned)
    if size == "gpu":
        assert 1 / 30 < compute / GPU_FLOP_PER_HOUR < 24, "hours of one card"
    else:
        seconds = sum(seconds_on_one_core(run.spec) for run in planned)
        assert seconds < {"smoke": 15.0, "small": 1200.0}[size], "seconds of one core"
        assert compute < {"smoke": 1e11, "small": 1e14}[size]


@pytest.mark.parametrize("name", recipe_names())
def test_the_runs_of_a_gpu_size_fit_its_text_and_its_card(name: str) -> None:
    study = load_recipe(name, "gpu")
    specs = [run.spec for run in plan_runs(study, gpu_text_for(study))]
    for spec in specs:
        assert (spec.unique_tokens or 0) <= spec.text.tokens, "distinct tokens that are not there"
        assert name in ABOUT_EPOCHS or epochs_of(spec) <= 2.0
        assert spec.batch_tokens / spec.micro_batches * spec.shape.vocab <= LARGEST_LOGITS
        assert spec.precision == "bfloat16" and spec.steps >= 500
    if study.analysis == "allocation":
        compute = [training_flops(spec.shape, spec.tokens) for spec in specs]
        assert max(compute) > 10 * min(compute), "budgets of a decade"


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_says_in_its_first_line_what_it_shows(name: str) -> None:
    assert 20 < len(recipe_title(name)) < 160 and recipe_title(name).endswith(".")


@pytest.mark.slow
@pytest.mark.parametrize("name", ANALYSED)
def test_a_recipe_runs_to_its_page_and_is_verified(name: str, tmp_path: Path) -> None:
    outcome = smoke(name, tmp_path / name)
    assert outcome.counts.failed == 0 and outcome.counts.done >= 2
    assert outcome.analysis is not None and outcome.analysis.measured
    page = (tmp_path / name / "reports" / "report.md").read_text()
    for item in outcome.analysis.measured:
        assert item.name.replace("|", "\\|") in page
        assert item.ours is not None or item.note, "a number that is missing says why"
    record = json.loads((tmp_path / name / "fits" / "analysis.json").read_text())
    assert record["schema"] == "isoflop.analysis/1" and record["fits"] == sorted(outcome.analysis.fits)
    verified = verify_study(tmp_path / name)
    assert not verified.refused, verified.first_disagreement


@pytest.mark.slow
def test_what_was_changed_afterwards_is_found(tmp_path: Path) -> None:
    outcome = smoke("shape", tmp_path)
    again = smoke("shape", tmp_path)
    assert again.to_dict() == outcome.to_dict(), "nothing is trained twice"

    def disagreement() -> str:
        found = verify_study(tmp_path).first_disagreement
        return found.name if found else ""

    assert disagreement() == ""
    table = tmp_path / "tables" / "evaluations.csv"
    kept = table.read_text()
    table.write_text(kept.replace(kept.splitlines()[3].split(",")[6], "2.5", 1))
    assert disagreement().startswith("tables/evaluations.csv, line 4, column loss")
    table.write_text(kept)
    analysis = tmp_path / "fits" / "analysis.json"
    record = json.loads(analysis.read_text())
    record["measured"][0]["ours"]["value"] *= 1.01
    analysis.write_text(json.dumps(record))
    assert disagreement() == "analysis.measured[0].ours.value"
    analysis.write_text(json.dumps({**record, "measured": again.to_dict()["analysis"]["measured"]}))
    (result, *_) = tmp_path.glob("runs/*/result.json")
    run = json.loads(result.read_text())
    result.write_text(json.dumps({**run, "loss": run["loss"] * 1.001}))
    assert disagreement() == f"runs/{result.parent.name}: loss"
    result.write_text(json.dumps(run))
    study_file = tmp_path / "study.toml"
    study_file.write_text(study_file.read_text().replace("level = 0.9", "level = 0.8"))
    assert disagreement() == "study.json: study"
    (tokens,) = tmp_path.glob("corpus/*/tokens.npy")
    content = tokens.read_bytes()
    tokens.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="digest differs"):
        verify_study(tmp_path)


@pytest.mark.slow
def test_two_seeds_agree_within_the_noise_that_the_study_states(tmp_path: Path) -> None:
    """Losses of another seed lie within a few of the standard deviations that the study states over its own seeds."""
    losses, noise = [], []
    for seed in (0, 7):
        study_file = begin_study(tmp_path / str(seed), "model-size", size="smoke", seed=seed)
        study_file.write_text(study_file.read_text().replace("seeds = 1", "seeds = 2"))
        outcome = run_study(study_file, engine=engine_for(study_file, "inline"), reporter=QuietReporter())
        assert outcome.analysis is not None
        stated = [item.ours for item in outcome.analysis.measured if item.name == "spread of loss over seeds"]
        noise += [item.value for item in stated if item is not None]
        of_width: dict[int, list[float]] = {}
        for path in sorted((study_file.parent / "runs").iterdir()):
            run = RunDirectory(path).result()
            assert run is not None and run.loss is not None
            of_width.setdefault(run.spec.shape.width, []).append(run.loss)
        losses.append(of_width)
    assert losses[0].keys() == losses[1].keys() and losses[0] != losses[1] and len(noise) == 2
    for width, (one, other) in losses[0].items():
        # The difference of two means of two runs has the standard deviation of one run.
        mean = (one + other) / 2
        assert sum(losses[1][width]) / 2 == pytest.approx(mean, rel=4.0 * max(noise)), width
    assert max(noise) < 0.02 and max(noise) < 3.0 * min(noise), "the studies agree on the noise, too"


def test_the_small_quickstart_is_what_it_was(tmp_path: Path) -> None:
    study = load_recipe("quickstart")
    assert (study.ladder.widths, study.ladder.layers, study.training.context) == ((16, 24, 32, 40, 48), 2, 16)
    assert dataclasses.asdict(study.training.learning_rate) == {
        "coefficient": 0.0782, "width_power": -0.75, "batch_power": 0.0,
    }  # fmt: skip


def test_the_report_of_an_analysed_study_is_its_page(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"read .*report\.md"):
        study_report(load_recipe("shape"), tmp_path)
