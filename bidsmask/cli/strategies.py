"""``--list-strategies``: what each named strategy does, and what to cite for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.strategies import ColumnGroup, Reference, Strategy
from bidsmask.dataset.strategy_files import load_strategy

_WIDTH = 100

_NOTES = """\
high-pass: fMRIPrep's cosines, which a strategy with a filter that takes slow changes away goes
without. FD in mm; DVARS is the standardized one; stretches: of volumes between those. All leave
out the volumes that fMRIPrep flagged as not in a steady state.
"""


def show_strategies() -> int:
    """Print a table of all named strategies, and what to cite for them; exit code 0."""
    strategies = [load_strategy(name) for name in strategy_names()]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("regressed", ratio=1)
    for column in ("filter", "left out", "cite"):
        table.add_column(column, no_wrap=True)
    for strategy in strategies:
        table.add_row(*_row(strategy))
    console = Console(highlight=False, width=_WIDTH)
    console.print(table)
    console.print(_NOTES)
    for reference in sorted({each.reference for each in strategies}, key=_cited):
        console.print(f"{_cited(reference)}: https://doi.org/{reference.doi}")
    return 0


def _row(strategy: Strategy) -> tuple[str, ...]:
    return (
        strategy.name,
        ", ".join(map(_columns, strategy.groups)) or "none",
        _filter(strategy),
        "\n".join(_censoring(strategy)),
        _cited(strategy.reference),
    )


def _columns(group: ColumnGroup) -> str:
    """Say how many columns a group has, if it has a number of its own."""
    first = f"first {group.limit}" if group.limit else ""
    return f"{group.count or first} {group.label}".strip()


def _filter(strategy: Strategy) -> str:
    cleaning = strategy.cleaning
    if cleaning.filter == "none":
        return "none"
    return f"{cleaning.high_pass_hz:g}-{cleaning.low_pass_hz:g} Hz"


def _censoring(strategy: Strategy) -> Iterator[str]:
    censoring = strategy.censoring
    if censoring.fd_threshold_mm is not None:
        yield f"FD > {censoring.fd_threshold_mm:g}"
    if censoring.std_dvars_threshold is not None:
        yield f"DVARS > {censoring.std_dvars_threshold:g}"
    if censoring.min_segment_volumes:
        yield f"stretches < {censoring.min_segment_volumes}"


def _cited(reference: Reference) -> str:
    """Name first author and year of a reference that begins with them."""
    return re.sub(r"^(\w+).*?\((\d+)\).*", r"\1 \2", reference.text)
