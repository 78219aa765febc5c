"""Write the reference pages that follow from the code: the commands with their help, and the laws with their constants.

    python docs/generate.py

A test fails when a page differs from what this writes.
"""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from isoflop.cli.main import COMMANDS, cli
from isoflop.laws.catalogue import LAWS
from isoflop.laws.law import Law
from isoflop.laws.published import Published, published, published_for
from isoflop.quantities import format_number

REFERENCE = Path(__file__).parent / "reference"


def commands_page() -> str:
    """Every command with its help, as the terminal shows it 100 columns wide."""
    lines = ["# Commands", "", "Written by `python docs/generate.py` from the commands' own help.", ""]
    for name in COMMANDS:
        shown = CliRunner().invoke(cli, [name, "--help"], prog_name="isoflop", terminal_width=100)
        lines += [f"## isoflop {name}", "", "```text", shown.output.rstrip(), "```", ""]
    return "\n".join(lines)


def laws_page() -> str:
    """Every law with its formula, parameters, domain and published constants."""
    lines = [
        "# Laws",
        "",
        "Written by `python docs/generate.py` from the catalogue. `isoflop laws NAME` shows the same in a terminal. "
        "Constants of different rows are comparable only where data, tokenizer and parameter count agree.",
        "",
    ]
    for law in LAWS:
        lines += law_section(law)
    loose = [item for item in published() if item.law is None]
    lines += ["## Published constants that fill no law", ""]
    for item in loose:
        values = ", ".join(f"{name} {format_number(value, 5)}" for name, value in item.values.items())
        lines.append(f"- `{item.name}` ({item.reference}, {item.source}): {values}. {item.units}. {item.note}".rstrip())
    return "\n".join(lines) + "\n"


def law_section(law: Law) -> list[str]:
    """One law."""
    lines = [f"## {law.name}", "", law.title, "", "```text", f"{law.output} = {law.formula}", "```", ""]
    lines += ["| name | meaning | unit | read from |", "|---|---|---|---|"]
    lines += [f"| {item.name} | {item.meaning} | {item.unit} | column `{item.column}` |" for item in law.inputs]
    lines += [f"| {item.name} | {item.meaning} | {item.unit} | fitted |" for item in law.parameters]
    lines += ["", f"Holds for: {law.domain}. References: {', '.join(law.references)}.", ""]
    constants = published_for(law)
    return [*lines, *constants_table(law, constants), ""] if constants else lines


def constants_table(law: Law, constants: tuple[Published, ...]) -> list[str]:
    """Published constants of a law side by side, in the law's units."""
    names = law.parameter_names
    lines = [f"| published | {' | '.join(names)} | data | status |", "|---" * (len(names) + 3) + "|"]
    for item in constants:
        values = " | ".join(format_number(value, 7) for value in item.theta)
        lines.append(f"| `{item.name}` | {values} | {item.dataset} | {item.status} |")
    return lines


PAGES = {"commands.md": commands_page, "laws.md": laws_page}


def main() -> None:
    """Write both pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
