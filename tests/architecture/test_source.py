"""The house style that a machine can check: docstrings, sizes, references, words that are not used."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
PACKAGE = REPOSITORY / "src" / "isoflop"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES = 600, 80
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    """Public functions and classes of a module, and the public methods of those classes."""
    for node in tree.body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and not item.name.startswith("_"):
                        yield f"{node.name}.{item.name}", item


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_public_name_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    missing = [name for name, node in public_definitions(tree) if not ast.get_docstring(node)]
    assert missing == []


def test_every_exported_name_is_there_and_documented() -> None:
    package = importlib.import_module("isoflop")
    exported = package.__all__
    assert len(exported) == len(set(exported))
    assert package.__doc__
    values = {name: getattr(package, name) for name in exported}
    described = {name: value for name, value in values.items() if inspect.isclass(value) or inspect.isfunction(value)}
    assert len(described) >= 20
    assert [name for name, value in described.items() if not inspect.getdoc(value)] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def bibliography_keys() -> set[str]:
    return set(re.findall(r"^@\w+\{([^,\s]+),", (REPOSITORY / "references.bib").read_text(encoding="utf-8"), re.M))


def cited_keys(tree: ast.Module) -> set[str]:
    """Keys like `kaplan2020` in the strings of a module: docstrings, and the references of laws."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {key for text in texts for key in re.findall(r"\b[a-z]{2,}(?:18|19|20)\d\d[a-z]?\b", text)}


def test_every_cited_key_is_in_the_bibliography() -> None:
    cited = {path: cited_keys(ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES}
    assert sum(len(keys) for keys in cited.values()) >= 10
    unknown = {name_of(path): sorted(keys - bibliography_keys()) for path, keys in cited.items()}
    assert {name: keys for name, keys in unknown.items() if keys} == {}


def test_the_bibliography_has_no_key_twice_and_every_entry_is_whole() -> None:
    entries = re.split(r"^@", (REPOSITORY / "references.bib").read_text(encoding="utf-8"), flags=re.M)[1:]
    keys = [entry[entry.index("{") + 1 : entry.index(",")] for entry in entries]
    assert len(keys) == len(set(keys)) >= 20
    for key, entry in zip(keys, entries, strict=True):
        assert all(f"{field} = {{" in entry for field in ("author", "title", "year")), key
        assert "year = {" + key[-4:] + "}" in entry, key
        assert entry.count("{") == entry.count("}"), key


def test_no_module_is_called_utils() -> None:
    vague = re.compile(r"(^|_)(utils?|helpers?|misc|common)(_|$)")
    assert [name_of(path) for path in PACKAGE.rglob("*") if vague.search(path.stem)] == []
