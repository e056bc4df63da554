"""Write every option of the command as a table into the README, from its parser.

Usage: python descriptors/make_options.py

What stands in README.md between the two marks is replaced. A test keeps it equal to the parser.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bidsmask.cli.parser import build_parser

FILE = Path(__file__).parents[1] / "README.md"
START, END = "<!-- options -->", "<!-- end of options -->"


def table() -> str:
    """Write a table for each group of options."""
    groups = build_parser()._action_groups
    return "\n\n".join(_group(group) for group in groups if _options(group))


def _group(group: argparse._ArgumentGroup) -> str:
    title = f"**{(group.title or '').capitalize()}**"
    rows = [f"| {_names(action)} | {_help(action)} |" for action in _options(group)]
    return "\n".join([title, "", "| option | what it does |", "| --- | --- |", *rows])


def _options(group: argparse._ArgumentGroup) -> list[argparse.Action]:
    return [action for action in group._group_actions if action.option_strings]


def _names(action: argparse.Action) -> str:
    names = [name for name in action.option_strings if "_" not in name]
    return ", ".join(f"`{name}`" for name in names)


def _help(action: argparse.Action) -> str:
    choices = f" ({', '.join(map(str, action.choices))})" if action.choices else ""
    words = (action.help or "").replace("%%", "%")
    listed = all(str(choice) in words for choice in action.choices or ())
    return (words + ("" if listed else choices)).replace("|", "\\|")


def text() -> str:
    """Write the README as it stands in the file, with the table of today."""
    before, _, rest = FILE.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
