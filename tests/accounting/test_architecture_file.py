"""Architectures from TOML: what is filled in, and how a wrong file is told."""

from pathlib import Path

import pytest

from isoflop.accounting.architecture_file import read_architecture
from isoflop.errors import InputError
from tests.accounting.models import MIXTRAL

TEXT = """
[architecture]
layers = 32
width = 4096
heads = 32
kv_heads = 8
feedforward = 14336
gated = true
vocab = 32000
context = 32768
experts = { count = 8, per_token = 2, feedforward = 14336 }
"""


def test_mixtral_from_its_file(tmp_path: Path) -> None:
    place = tmp_path / "mixtral.toml"
    place.write_text(TEXT)
    assert read_architecture(place) == MIXTRAL
    place.write_text(TEXT.replace("kv_heads = 8\n", ""))
    assert read_architecture(place).kv_heads == 32


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[architecture]", "[shape]", r"under \[architecture\]"),
        ("layers = 32", "", "'layers' is missing"),
        ("layers = 32", "layer = 32", "'layer' is no key"),
        ("layers = 32", "layers = 0", "layers=0"),
        ("layers = 32", "layers = '32'", "layers='32'"),
        ("heads = 32\n", "heads = 33\n", "width=4096 is no multiple of heads=33"),
        ("gated = true", "gated = 'yes'", "gated='yes' must be true or false"),
        ("gated = true", "embeddings = 'shared'", "tied, untied"),
        ("gated = true", "positions = 'none'", "rotary, learned"),
        ("count = 8, ", "", "'count' is missing"),
        ("count = 8", "count = 8, size = 1", "'size' is no key"),
        ("per_token = 2", "per_token = 9", "per_token=9"),
        ("{ count = 8, per_token = 2, feedforward = 14336 }", "8", "experts=8 must be a table"),
    ],
)
def test_wrong_files_are_told(tmp_path: Path, old: str, new: str, named: str) -> None:
    place = tmp_path / "wrong.toml"
    place.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(InputError, match=named) as told:
        read_architecture(place)
    assert "wrong.toml" in str(told.value)
