"""What a folder holds: the logs and tables in it, grouped into runs; nothing is read twice.

Names only say which files are worth a look; content decides. A run that is logged by several tools is read from the
one that says most, where the folders show that it is one run; where they do not, the user is asked.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from isoflop.errors import InputError, Refusal
from isoflop.readers.formats import READERS
from isoflop.readers.sniff import TABLES, sniff
from isoflop.readers.source import LogSource
from isoflop.readers.wording import counted

MOST_FILES = 500_000
_LOOKED_AT = re.compile(
    r".*\.(?:wandb|db|sqlite3?|json|jsonl|ndjson|csv|tsv|txt|log|out|err|parquet)(?:\.(?:gz|xz|bz2|zip))?|"
    r"events\.out\.tfevents\..*|slurm-.*|stdout|std\.out|meta\.yaml",
    re.IGNORECASE,
)
_LEFT_OUT = re.compile(
    r"(?:requirements|wandb-metadata|wandb-summary|config|generation_config|tokenizer|tokenizer_config|"
    r"special_tokens_map|vocab|added_tokens|model\.safetensors\.index|training_args|adapter_config|hparams|merges|"
    r"diff|debug|debug-.*|samples_.*|README|LICENSE|spec|owner|trial|result|(?:train|eval|all)_results)"
    r"\.(?:json|jsonl|txt|log|yaml|patch|md)",
    re.IGNORECASE,
)
SUMMARY = "wandb-summary.json"
_WANDB_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-(?P<id>.+)")
_CHECKPOINT = re.compile(r"checkpoint-\d+")


@dataclass(frozen=True)
class Found:
    """What a folder holds: `sources` of logs, `tables`, files that could not be told, and what is to be said."""

    sources: tuple[LogSource, ...]
    tables: tuple[Path, ...]
    unreadable: tuple[str, ...]
    notes: tuple[str, ...] = ()


def discover(folder: Path, wanted: str | None = None, *, mapped: bool = False) -> Found:
    """The logs and tables under `folder`; of the format `wanted` only where it is given.

    With `mapped`, every file worth a look is a log that the user's own patterns read.

    Raises:
        Refusal: runs are logged in several formats and may be the same ones.
    """
    if mapped:
        files = tuple(_files(folder))
        return Found(
            tuple(LogSource("mapped", (path,), _relative(folder, path.with_suffix("")), path) for path in files), (), ()
        )
    logs: list[tuple[str, Path]] = []
    tables: list[Path] = []
    unreadable: list[str] = []
    for path in _files(folder):
        try:
            kind = _kind(path)
        except InputError as error:
            unreadable.append(str(error))
            continue
        if kind is None:
            continue
        if kind in TABLES:
            tables.append(path)
        else:
            logs.append((kind, path))
    sources = _grouped(folder, logs)
    if wanted is not None:
        return Found(tuple(item for item in sources if item.format == wanted), (), tuple(unreadable))
    kept, notes = _once(folder, sources)
    own = {source.place for source in kept if source.place != folder}
    outside = tuple(path for path in tables if own.isdisjoint(path.parents))
    return Found(kept, outside, tuple(unreadable), notes)


def _kind(path: Path) -> str | None:
    """The format of a file; None for one that belongs to something else."""
    if path.name == "meta.yaml":
        return "mlflow-files" if _is_mlflow_run(path) else None
    if path.name == SUMMARY:
        # The summary of a run says nothing that its whole log does not.
        return None if any(path.parent.parent.glob("*.wandb")) else "wandb"
    return sniff(path)


def source_of_file(path: Path, kind: str) -> LogSource:
    """The source that a single file is."""
    (source,) = _grouped(path.parent, [(kind, path)])
    return replace(source, name=_single_name(path)) if source.name in ("", ".") else source


def _single_name(path: Path) -> str:
    return (
        path.resolve().parent.name if path.stem in ("metrics", "trainer_state", "log", "train", "stdout") else path.stem
    )


def _files(folder: Path) -> Iterator[Path]:
    """The files worth a look, in the order of their names; links to folders are not followed."""
    seen = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in sorted(names):
            seen += 1
            if seen > MOST_FILES:
                raise InputError(f"{folder} holds more than {MOST_FILES:,} files: give the folders of the runs.")
            path = Path(place, name)
            wanted = _LOOKED_AT.fullmatch(name) and not _LEFT_OUT.fullmatch(name)
            if (wanted or name == SUMMARY) and path.is_file():
                yield path


def _is_mlflow_run(meta: Path) -> bool:
    return (meta.parent / "metrics").is_dir() or (meta.parent / "params").is_dir()


def _grouped(folder: Path, logs: list[tuple[str, Path]]) -> list[LogSource]:
    """The files of each run together."""
    groups: dict[tuple[str, str], list[Path]] = {}
    for kind, path in logs:
        groups.setdefault((kind, _group(kind, path)), []).append(path)
    in_folder = Counter((kind, path.parent) for kind, path in logs)
    return [
        LogSource(kind, tuple(sorted(paths, key=_written)), *_name_and_place(folder, kind, paths, in_folder))
        for (kind, _), paths in groups.items()
    ]


def _group(kind: str, path: Path) -> str:
    """What the files of one run have in common."""
    if kind == "wandb":
        # The pieces of a run that was resumed lie side by side under its id.
        folder = _wandb_folder(path)
        return f"{folder.parent}#{_wandb_id(path)}" if _WANDB_FOLDER.fullmatch(folder.name) else str(path)
    if kind == "tensorboard":
        return str(path.parent)
    if kind == "trainer-state":
        return str(_without_checkpoint(path.parent))
    if kind == "maxtext-json" or (kind == "olmo-core" and path.suffix == ".json"):
        return str(path.parent)
    return str(path)


def _wandb_folder(path: Path) -> Path:
    return path.parent.parent if path.name == SUMMARY else path.parent


def _wandb_id(path: Path) -> str:
    """The id of a run, from the name of its file: that of its folder may have a number behind it."""
    if path.name != SUMMARY:
        return path.stem.removeprefix("run-")
    match = _WANDB_FOLDER.fullmatch(_wandb_folder(path).name)
    return match["id"] if match else _wandb_folder(path).name


def _without_checkpoint(folder: Path) -> Path:
    return folder.parent if _CHECKPOINT.fullmatch(folder.name) else folder


def _written(path: Path) -> tuple[str, str]:
    """The order of writing: W&B folders and event files carry the time in their names."""
    return (_wandb_folder(path).name.removeprefix("offline-"), path.name)


def _name_and_place(
    folder: Path, kind: str, paths: list[Path], in_folder: Counter[tuple[str, Path]]
) -> tuple[str, Path]:
    path = paths[0]
    own = path.parent
    if kind == "trainer-state":
        own = _without_checkpoint(path.parent)
    elif kind in ("mlflow", "trackio"):
        return path.stem, path
    elif kind == "wandb" and _WANDB_FOLDER.fullmatch(_wandb_folder(path).name):
        return _wandb_id(path), _wandb_folder(path)
    elif kind != "tensorboard" and len(paths) == 1 and in_folder[kind, path.parent] > 1:
        # Several runs share a folder: each is called after its file.
        return _relative(folder, path.with_suffix("")), path
    if own == folder and kind not in ("tensorboard", "trainer-state"):
        return path.stem, own
    name = _relative(folder, own)
    return re.sub(r"/(?:version_0|logs/csv/version_0|csv/version_0|metrics)$", "", name), own


def _relative(folder: Path, path: Path) -> str:
    try:
        name = path.relative_to(folder).as_posix()
    except ValueError:
        name = path.name
    return folder.resolve().name if name == "." else name


def _once(folder: Path, sources: list[LogSource]) -> tuple[tuple[LogSource, ...], tuple[str, ...]]:
    """The sources without those that lie inside a run which a preferred format tells already."""
    order = {name: rank for rank, name in enumerate(READERS)}
    owners: dict[Path, LogSource] = {}
    alone = Counter(source.format for source in sources)
    for source in sorted(sources, key=lambda item: order[item.format]):
        if source.place.is_dir() and (source.place != folder or alone[source.format] == 1):
            owners.setdefault(source.place, source)
    kept, dropped = [], Counter[tuple[str, str]]()
    for source in sources:
        owner = _owner(source, owners, order)
        if owner is None:
            kept.append(source)
        else:
            dropped[source.format, owner.format] += 1
    kinds = Counter(source.format for source in kept if source.format != "lm-eval")
    if len(kinds) > 1:
        shown = ", ".join(f"{count} of {kind}" for kind, count in kinds.items())
        raise Refusal(
            f"{folder} holds logs in several formats ({shown}), which may be of the same runs: say which to read with "
            f"--format {next(iter(kinds))}, or give the folders one by one."
        )
    notes = tuple(
        f"Not read, since {preferred} tells the same runs: {counted(count, f'{kind} log')}; --format {kind} reads them."
        for (kind, preferred), count in dropped.items()
    )
    return tuple(kept), notes


def _owner(source: LogSource, owners: dict[Path, LogSource], order: dict[str, int]) -> LogSource | None:
    if source.format == "lm-eval":
        return None
    for place in (source.place, *source.place.parents):
        owner = owners.get(place)
        if owner is not None and owner is not source and order[owner.format] < order[source.format]:
            return owner
    return None
