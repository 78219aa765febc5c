"""study.toml: what it says becomes a study; what it may not say is named, with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoflop.errors import InputError, UsageError
from isoflop.runs.spec import TextSpec
from isoflop.studies.plan import plan_runs
from isoflop.studies.recipe import load_recipe, recipe_text
from isoflop.studies.study import HeldOut
from isoflop.studies.study_file import parse_study, read_study

TEXT = TextSpec("synthetic", "0" * 64, 96, 10_000_000, 500_000)

SMALL = """
name = "small"
[text]
source = "synthetic"
[ladder]
widths = [8, 16]
layers = 1
head_width = 8
tokens = ["64k", 128000]
[training]
context = 32
batch_tokens = 512
[training.learning_rate]
coefficient = 0.25
[evaluation]
windows = 64
[fit]
law = "chinchilla"
[[held_out]]
width = 32
tokens = "0.5M"
"""


def test_the_quickstart_target_has_three_and_a_half_times_the_compute_of_its_ladder() -> None:
    planned = plan_runs(load_recipe("quickstart"), TEXT)
    ladder = [run.compute for run in planned if run.role == "ladder"]
    held_out = [run.compute for run in planned if run.role == "held-out"]
    study = load_recipe("quickstart")
    assert len(study.ladder.widths) >= 5 and len(study.ladder.tokens) >= 3
    assert min(held_out) >= 3.5 * max(ladder)


def test_quantities_defaults_and_layers_of_the_held_out_run() -> None:
    study = parse_study(SMALL, "study.toml")
    assert study.ladder.tokens == (64_000, 128_000)
    assert study.held_out == (HeldOut(32, 1, 500_000),)
    assert study.seed == 0 and study.training.schedule.decay == 0.2 and study.fit.rows == "all"


def test_a_text_directory_is_taken_from_where_the_file_stands(tmp_path: Path) -> None:
    place = tmp_path / "study.toml"
    place.write_text(SMALL.replace('source = "synthetic"', 'source = "directory"\ndirectory = "books"'))
    assert read_study(place).text.directory == tmp_path / "books"


def test_a_study_is_the_same_one_from_every_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "study.toml"
    place.write_text(SMALL.replace('source = "synthetic"', 'source = "directory"\ndirectory = "books"'))
    monkeypatch.chdir(tmp_path)
    assert read_study(Path("study.toml")) == read_study(place)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            'name = "small"',
            'name = "small"\nmodels = 3',
            r"models is not a key.*allowed here are name, recipe, analysis, seed",
        ),
        ("widths = [8, 16]", "width = [8, 16]", r"ladder\.width is not a key.*widths, layers"),
        ("coefficient = 0.25", "coeficient = 0.25", r"training\.learning_rate\.coeficient.*coefficient, width_power"),
        ("width = 32\n", "width = 32\nlayer = 2\n", r"held_out\[0\]\.layer is not a key.*width, layers, tokens"),
        ('tokens = ["64k", 128000]', 'tokens = ["64q"]', r"ladder\.tokens\[0\].*'64q'.*write"),
        ('tokens = ["64k", 128000]', 'tokens = ["1.5"]', r"ladder\.tokens\[0\].*whole number"),
        ('tokens = ["64k", 128000]', "tokens = [0]", r"ladder\.tokens\[0\]=0 is not possible"),
        ('tokens = ["64k", 128000]', "tokens = []", r"one of ladder\.tokens, .* must be given"),
        ("layers = 1", "layers = 1.5", r"ladder\.layers=1\.5"),
        ("layers = 1", "layers = true", r"ladder\.layers=True"),
        ("widths = [8, 16]", "widths = [8, 12]", r"ladder\.widths\[1\]=12 must be a multiple of head_width=8"),
        ("width = 32\n", "width = 20\n", r"held_out\[0\]\.width=20 must be a multiple"),
        ("head_width = 8", "head_width = 7", r"head_width=7 must be even"),
        ("batch_tokens = 512", "batch_tokens = 500", r"training\.batch_tokens=500 must be a multiple of .*context=32"),
        ("coefficient = 0.25", "coefficient = nan", r"training\.learning_rate\.coefficient=nan"),
        ("[evaluation]\nwindows = 64\n", "", r"evaluation is missing"),
        ('source = "synthetic"', 'source = "directory"', r"text source 'directory' needs a path"),
        ("head_width = 8", "head_width = 8\nrepeats = { 24 = 2 }", r"ladder\.repeats\.24 is not one of ladder\.widths"),
        ('name = "small"', 'name = "../up"', r"name='\.\./up'"),
        ('name = "small"', "name = ", r"study\.toml is not TOML"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, expected: str) -> None:
    assert old in SMALL
    with pytest.raises(InputError, match=expected) as caught:
        parse_study(SMALL.replace(old, new, 1), "my/study.toml")
    assert str(caught.value).startswith("my/study.toml")


def test_a_missing_file_and_an_unknown_recipe_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="isoflop init"):
        read_study(tmp_path / "study.toml")
    with pytest.raises(UsageError, match="quickstart"):
        recipe_text("quickstrt")


def test_planning_again_gives_the_same_runs_and_a_new_budget_only_adds() -> None:
    first = plan_runs(parse_study(SMALL, "a"), TEXT)
    again = plan_runs(parse_study(SMALL, "b"), TEXT)
    assert [run.spec.identifier for run in first] == [run.spec.identifier for run in again]
    more = plan_runs(parse_study(SMALL.replace("128000]", '128000, "256k"]'), "c"), TEXT)
    assert {run.spec.identifier for run in first} < {run.spec.identifier for run in more}
    other_seed = plan_runs(parse_study(SMALL.replace('"small"', '"small"\nseed = 1'), "d"), TEXT)
    assert not {run.spec.identifier for run in first} & {run.spec.identifier for run in other_seed}


def test_a_plan_in_numbers() -> None:
    planned = plan_runs(parse_study(SMALL.replace("head_width = 8", "head_width = 8\nrepeats = { 8 = 3 }"), "a"), TEXT)
    ladder = [run.spec for run in planned if run.role == "ladder"]
    assert len(ladder) == 3 * 2 + 2
    assert {spec.seed for spec in ladder if spec.shape.width == 8} == {0, 1000, 2000}
    wide = next(spec for spec in ladder if spec.shape.width == 16)
    assert (wide.shape.heads, wide.shape.feedforward, wide.shape.context) == (2, 64, 32)
    assert wide.optimizer.learning_rate == pytest.approx(0.25 / 16)
    assert all(spec.tokens % 512 == 0 for spec in ladder)


def test_a_held_out_run_that_is_in_the_ladder_is_refused() -> None:
    inside = SMALL.replace('width = 32\ntokens = "0.5M"', 'width = 16\ntokens = "128k"')
    with pytest.raises(UsageError, match="hold out a larger one"):
        plan_runs(parse_study(inside, "study.toml"), TEXT)
