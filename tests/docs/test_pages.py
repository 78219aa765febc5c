"""The documentation pages: generated ones are up to date, and every link leads somewhere."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from isoflop.studies.section import Section
from isoflop.studies.study_sections import SECTIONS, StudySection

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands.md", "laws.md"])
def test_generated_pages_are_up_to_date(generate: ModuleType, name: str) -> None:
    page = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert page == generate.PAGES[name](), "run python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def toml_blocks(page: str) -> list[dict[str, Any]]:
    text = (ROOT / "docs" / "howto" / page).read_text(encoding="utf-8")
    return [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.S)]


def silent_about(section: type[Section], told: dict[str, Any], place: str = "") -> set[str]:
    """Keys with a default that `told` leaves out; a default that it tells must be the one of the section."""
    missing = set()
    for key, field in section.model_fields.items():
        if key in SECTIONS:
            missing |= silent_about(SECTIONS[key], told[key], f"{place}{key}.") if key in told else set()
        elif isinstance(field.default, (str, int, float)):
            assert told.get(key, field.default) == field.default, f"{place}{key}"
            missing |= set() if key in told else {f"{place}{key}"}
        else:
            assert key not in told, f"{place}{key} has no default"
    return missing


def test_the_defaults_on_the_page_are_those_of_a_study_file() -> None:
    (told,) = [block for block in toml_blocks("laboratory.md") if "schedule" in block.get("training", {})]
    assert silent_about(StudySection, told) == {"recipe", "text.dtype", "text.split", "text.field"}


@pytest.mark.parametrize("name", ["slurm", "ray", "cost"])
def test_every_key_of_a_site_is_on_the_page(name: str) -> None:
    (told,) = [block[name] for block in toml_blocks("clusters.md") if name in block]
    assert set(told) == set(SECTIONS[name].model_fields)
    SECTIONS[name].model_validate(told)
