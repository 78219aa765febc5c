"""What is needed to repeat a study, written beside its file before the first run: `study.json`."""

from __future__ import annotations

import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from isoflop import records
from isoflop.errors import InputError
from isoflop.lab.source import told_from
from isoflop.runs.versions import package_version, sources_digest
from isoflop.studies.study import Study
from isoflop.studies.text import StudyText

RECORD_FILE, SCHEMA = "study.json", "isoflop.study-record/1"
PACKAGES = ("isoflop", "torch", "numpy", "scipy", "safetensors", "tokenizers", "datasets")


NO_RUN_DEPENDS_ON = ("launch", "site", "spending")


def recorded_study(study: Study, directory: Path) -> dict[str, Any]:
    """What of a study in `directory` decides its numbers: all but how, where and for how much it is trained."""
    told = replace(study, text=told_from(study.text, directory.resolve()))
    return {key: value for key, value in told.to_dict().items() if key not in NO_RUN_DEPENDS_ON}


def study_record(study: Study, directory: Path, text: StudyText) -> dict[str, Any]:
    """The resolved study, the text by its digest, and the versions of code and packages."""
    return {
        "schema": SCHEMA,
        "study": recorded_study(study, directory),
        "text": asdict(text.spec),
        "note": text.note,
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "sources": sources_digest(),
    }


def write_study_record(study: Study, directory: Path, text: StudyText) -> None:
    """Write `study.json`; one that says the same already is left alone."""
    place = directory / RECORD_FILE
    written = records.to_json(study_record(study, directory, text), indent=1) + "\n"
    if not place.exists() or place.read_text(encoding="utf-8") != written:
        records.write_text(place, written)


def recorded_mirrors(directory: Path) -> tuple[str, ...]:
    """Where the study wants its metrics shown besides its own logs; nowhere unless `study.json` says so."""
    try:
        return tuple(records.read_record(directory / RECORD_FILE, SCHEMA)["study"]["mirrors"])
    except (InputError, KeyError, TypeError):
        return ()
