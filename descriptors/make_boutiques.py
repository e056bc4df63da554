"""Write the Boutiques descriptor of the command, from its parser.

Usage: python descriptors/make_boutiques.py

Writes bidsmask.json beside this file, to which the Nipoppy pipeline has a link. A test keeps it
equal to the parser.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bidsmask._version import __version__
from bidsmask.cli.parser import build_parser

HERE = Path(__file__).parent
FILE = HERE / "bidsmask.json"
LEFT_OUT = {"demo", "version", "help"}
READ_FROM_DISK = {"bids_dir", "bids_filter_file", "plugin_file", "config_file"}
EXIT_CODES = {
    1: "Some runs failed; the others are complete. logs/status.tsv names them.",
    2: "The request cannot be carried out as asked; nothing was computed.",
    66: "No BOLD run matches.",
    70: "A bug in bidsmask.",
    73: "The output or the work folder cannot be written to.",
    74: "The disk is full, or does not answer.",
    75: "Another job works on the same subjects in the same output.",
}


def describe() -> dict[str, Any]:
    """Make the descriptor, as Boutiques' schema 0.5 asks for it."""
    inputs = [item for action in _actions() for item in _inputs(action)]
    return {
        "name": "bidsmask",
        "description": "From fMRIPrep derivatives to clean, named, checked region time series.",
        "tool-version": __version__,
        "schema-version": "0.5",
        "command-line": " ".join(["bidsmask", *(item["value-key"] for item in inputs)]),
        "container-image": {"type": "docker", "image": f"bidsmask:{__version__}"},
        "inputs": inputs,
        "output-files": [
            {
                "id": "output",
                "name": "Output dataset",
                "description": "BIDS derivatives: time series, matrices, quality, reports.",
                "path-template": "[OUTPUT_DIR]",
                "optional": False,
            }
        ],
        "error-codes": [
            {"code": code, "description": meaning} for code, meaning in EXIT_CODES.items()
        ],
        "suggested-resources": {"cpu-cores": 4, "ram": 8, "walltime-estimate": 3600},
        "tags": {"domain": ["neuroinformatics", "mri", "bids"]},
    }


def text() -> str:
    """Write the descriptor as it stands in the file."""
    return json.dumps(describe(), indent=2, ensure_ascii=False) + "\n"


def _actions() -> list[argparse.Action]:
    return [action for action in build_parser()._actions if action.dest not in LEFT_OUT]


def _inputs(action: argparse.Action) -> list[dict[str, Any]]:
    """One input for an action; two for a switch that can be set both ways."""
    if isinstance(action, argparse.BooleanOptionalAction):
        return [_input(action, flag) for flag in action.option_strings]
    return [_input(action, _flag(action))]


def _input(action: argparse.Action, flag: str | None) -> dict[str, Any]:
    name = (flag or action.dest).lstrip("-").replace("-", "_")
    item: dict[str, Any] = {
        "id": name,
        "name": name.replace("_", " "),
        "description": (action.help or "").replace("%%", "%"),
        "value-key": f"[{name.upper()}]",
        "type": _type(action),
        "optional": flag is not None,
    }
    if action.nargs == "+":
        item |= {"list": True, "list-separator": " "}
    if action.type is int:
        item["integer"] = True
    if flag:
        item["command-line-flag"] = flag
    if choices := _choices(action):
        item["value-choices"] = choices
    return item


def _flag(action: argparse.Action) -> str | None:
    """The first long name of an option."""
    return next((name for name in action.option_strings if name.startswith("--")), None)


def _type(action: argparse.Action) -> str:
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return "Flag"
    if action.dest in READ_FROM_DISK:
        return "File"
    return "Number" if action.type in (int, float) else "String"


def _choices(action: argparse.Action) -> list[str]:
    if action.dest == "analysis_level":
        return ["participant", "group"]
    return list(action.choices or ())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
