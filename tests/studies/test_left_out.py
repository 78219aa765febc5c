"""What the command of a user's trainer does not say although the study varies it."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoflop.studies.driver import prepare_study

STUDY = """
name = "own"
[text]
source = "own"
vocab = 256
tokens = "1M"
[trainer]
command = ["train", COMMAND, "--out={directory}", "--name={run}"]
[ladder]
widths = [8, 16]
layers = 1
head_width = 8
tokens = ["4k", "8k"]
repeats = { 8 = 2 }
[training]
context = 32
batch_tokens = 256
[training.learning_rate]
coefficient = 0.25
width_power = -0.5
[fit]
law = "chinchilla-no-floor"
"""
WHOLE = ("{width}", "{layers}", "{tokens}", "{learning_rate:.3g}", "{seed}")


def warnings(place: Path, placeholders: tuple[str, ...], more: str = "") -> list[str]:
    command = ", ".join(f'"{placeholder}"' for placeholder in placeholders)
    (place / "study.toml").write_text(STUDY.replace("COMMAND", command) + more)
    return [finding.message for finding in prepare_study(place / "study.toml").findings]


def without(*names: str) -> tuple[str, ...]:
    return tuple(placeholder for placeholder in WHOLE if placeholder[1:-1].partition(":")[0] not in names)


def test_a_command_that_says_all_is_not_talked_about(tmp_path: Path) -> None:
    assert not warnings(tmp_path, WHOLE)
    # The same said in other words; of what is the same in all runs nothing has to be said.
    assert not warnings(tmp_path, ("{params}", "{steps}", "{learning_rate}", "{seed}"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("width", '{width} (8 to 16). Name it there, as in "--width={width}"'),
        ("tokens", "{tokens} (4,096 to 7,936)"),
        ("learning_rate", "{learning_rate} (0.0625 to 0.08839)"),
        ("seed", "{seed} (0 to 1,000)"),
    ],
)
def test_what_is_left_out_is_named_with_its_range(name: str, said: str, tmp_path: Path) -> None:
    (message,) = warnings(tmp_path, without(name))
    assert message.startswith(f"trainer.command leaves out what the study varies: {said}")


def test_all_that_is_left_out_is_named_at_once(tmp_path: Path) -> None:
    (message,) = warnings(tmp_path, without("tokens", "seed"))
    assert "{tokens} (4,096 to 7,936), {seed} (0 to 1,000). Name it" in message


def test_what_only_arms_vary_is_named_where_runs_would_be_started_alike(tmp_path: Path) -> None:
    arms = """
[[arms]]
name = "adam"
[[arms]]
name = "muon"
[arms.training]
optimizer = "muon"
"""
    (message,) = warnings(tmp_path, WHOLE, arms)
    assert "varies: {optimizer} (adamw, muon)." in message
    assert not warnings(tmp_path, (*WHOLE, "{optimizer}"), arms)


def test_a_dry_run_says_so(tmp_path: Path) -> None:
    warnings(tmp_path, without("seed"))
    assert "{seed}" in str(prepare_study(tmp_path / "study.toml"))
