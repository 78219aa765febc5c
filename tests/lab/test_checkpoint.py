"""Checkpoints: exact, complete or not there, and refused when damaged or foreign."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from isoflop.accounting.shape import Shape
from isoflop.errors import InputError
from isoflop.lab.checkpoint import keep_newest, load_checkpoint, newest_readable, save_checkpoint
from isoflop.lab.ranks import ALONE
from isoflop.lab.strategies import Replicated
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec, TextSpec

SHAPE = Shape(layers=1, width=8, heads=1, feedforward=32, vocab=11, context=8)


def trained(seed: int, name: str = "adamw") -> Replicated:
    spec = RunSpec(
        shape=SHAPE, text=TextSpec("directory", "0" * 64, SHAPE.vocab, 100, 10), tokens=64, batch_tokens=32,
        optimizer=OptimizerSpec(1e-2, name=name), schedule=ScheduleSpec(), seed=seed, evaluation_windows=1,
    )  # fmt: skip
    strategy = Replicated(spec, ALONE)
    windows = torch.randint(0, 11, (4, 9), generator=torch.Generator().manual_seed(seed))
    for _ in range(3):
        strategy.optimizer.zero_grad()
        strategy.backward(strategy.loss_of(windows))
        strategy.step()
    return strategy


def save(path: Path, strategy: Replicated) -> Path:
    save_checkpoint(path, strategy.tensors(), step=3, run="abc", memory={"loss_sum": 0.1})
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save(tmp_path / "checkpoint-00000003", trained(seed=0))


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_weights_and_moments_come_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    found = load_checkpoint(save(tmp_path / "checkpoint-00000003", trained(0, name)), run="abc")
    assert (found.step, found.memory) == (3, {"loss_sum": 0.1})
    other, expected = trained(1, name), trained(0, name).tensors()
    other.put(found.tensors)
    restored = other.tensors()
    assert restored.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in restored.items())
    moments = {key.split("/")[1] for key in expected if key.startswith("optimizer")}
    assert moments == {"exp_avg", "exp_avg_sq", "step"} | ({"momentum_buffer"} if name == "muon" else set())


def test_no_manifest_no_checkpoint(saved: Path) -> None:
    (saved / "manifest.json").unlink()
    with pytest.raises(InputError, match="does not exist"):
        load_checkpoint(saved, run="abc")


def test_one_flipped_bit_is_noticed(saved: Path) -> None:
    state = saved / "state.safetensors"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(saved, run="abc")


def test_a_torn_manifest_is_noticed(saved: Path) -> None:
    manifest = saved / "manifest.json"
    manifest.write_text(manifest.read_text()[:40])
    with pytest.raises(InputError, match="not JSON"):
        load_checkpoint(saved, run="abc")


def test_a_changed_byte_anywhere_in_the_manifest_is_noticed(saved: Path) -> None:
    manifest = saved / "manifest.json"
    content = manifest.read_bytes()
    accepted = []
    for offset in range(len(content)):
        for bit in (1, 16):
            manifest.write_bytes(content[:offset] + bytes([content[offset] ^ bit]) + content[offset + 1 :])
            found = newest_readable([saved], run="abc")
            accepted += [] if found is None else [json.loads(manifest.read_bytes())]
    # What is left are other ways to write the same: white space, `e` for `E`.
    assert all(other == json.loads(content) for other in accepted)


def test_the_checkpoint_of_another_run_is_refused(saved: Path) -> None:
    with pytest.raises(InputError, match="belongs to run 'abc'"):
        load_checkpoint(saved, run="other")


def test_the_newest_readable_one_is_taken(saved: Path, tmp_path: Path) -> None:
    newer = tmp_path / "checkpoint-00000009"
    save_checkpoint(newer, trained(seed=2).tensors(), step=9, run="abc", memory={})
    found = newest_readable([newer, saved], run="abc")
    assert found is not None
    assert found.step == 9
    (newer / "state.safetensors").write_bytes(b"")
    found = newest_readable([newer, saved], run="abc")
    assert found is not None
    assert found.step == 3
    assert newest_readable([], run="abc") is None


def test_nothing_is_pickled(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["manifest.json", "state.safetensors"]
    header_length = int.from_bytes((saved / "state.safetensors").read_bytes()[:8], "little")
    header = json.loads((saved / "state.safetensors").read_bytes()[8 : 8 + header_length])
    assert "model/embedding.weight" in header


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.mkdir()
    assert keep_newest(paths) == tuple(paths[1:])
    assert [path.exists() for path in paths] == [False, True, True]
