"""What a user sees while bidsmask works: a first line, a bar on a terminal, last words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bidsmask._version import __version__
from bidsmask.dataset.listing import some_of
from bidsmask.settings import Settings

if TYPE_CHECKING:
    from bidsmask.analysis.counted import LeftOut
    from bidsmask.analysis.plan import Plan
    from bidsmask.derivatives.status import RunFailure
    from bidsmask.workflows.cohort import Summary

_LAST_NODES = ("derive", "report")


def make_console() -> Console:
    """Standard error, with colours and bars only where somebody is looking."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def announce(console: Console, settings: Settings) -> None:
    """The first line: what was chosen, so that a default is never a surprise."""
    chosen = {
        "atlas": settings.atlases,
        "seeds": tuple(path.name for path in settings.extraction.seeds),
        "every voxel": ("cleaned",) if settings.voxelwise.voxelwise else (),
        "strategy": settings.cleaning.strategies,
    }
    words = "; ".join(f"{what} {', '.join(names)}" for what, names in chosen.items() if names)
    console.print(f"bidsmask {__version__}: {escape(words)}")


def say_plan(console: Console, plan: Plan) -> None:
    """How much there is to do, and what to be warned of."""
    subjects = {run.run.subject for run in plan.runs}
    console.print(f"{_count(len(plan.runs), 'run')} of {_count(len(subjects), 'subject')} to do.")
    for warning in (
        *plan.warnings,
        *(f"{p.run.name}: {w}" for p in plan.runs for w in p.run.warnings),
    ):
        console.print(f"[yellow]warning:[/] {escape(warning)}")


def say_summary(console: Console, summary: Summary) -> None:
    """The last words: what is done, what is not and why, where to look."""
    for failure in summary.failures:
        say_failure(console, failure)
    total = len(summary.done) + len(summary.failures)
    reused = f" ({_count(summary.n_reused, 'step')} reused)" if summary.n_reused else ""
    colour = "red" if summary.failures else "green"
    n_in_part = sum(failure.in_part for failure in summary.failures)
    in_part = f", {n_in_part} in part" if n_in_part else ""
    console.print(
        f"[{colour}]{len(summary.done)} of {_count(total, 'run')} done{in_part}{reused}.[/]"
    )
    for report in summary.reports:
        console.print(f"  {escape(str(report))}")


def say_failure(console: Console, failure: RunFailure) -> None:
    """One run that was not done, or not wholly, as a short letter."""
    what = "in part" if failure.in_part else "failed"
    console.print(
        f"[red]{what}:[/] {escape(failure.run)} at {failure.node}: {escape(failure.reason)}"
    )


def say_left_out(console: Console, left_out: Sequence[LeftOut]) -> None:
    """Which runs are not in the tables of the group, and why: one line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for each in left_out:
        by_reason.setdefault(each.reason, []).append(each.name)
    for reason, names in by_reason.items():
        console.print(f"[yellow]left out:[/] {escape(some_of(names))}: {escape(reason)}")


@contextmanager
def progress(console: Console, plan: Plan, *, verbose: int) -> Iterator[NodeWatcher]:
    """A bar that counts runs, on a terminal only; with -v a line for each node."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        yield NodeWatcher(console, bar, n_runs=len(plan.runs), verbose=verbose)


class NodeWatcher:
    """Turns nipype's node events into progress."""

    def __init__(self, console: Console, bar: Progress, *, n_runs: int, verbose: int) -> None:
        self._console, self._bar, self._verbose = console, bar, verbose
        self._task = bar.add_task("runs", total=n_runs)
        self._ended: dict[str, set[str]] = {}

    def __call__(self, node: str, status: str) -> None:
        """Note that `node` has status "start", "end" or "exception"."""
        run, _, step = node.rpartition(".")
        if self._verbose:
            self._console.print(f"[dim]{status:>9}  {escape(run.split('.')[-1])}.{step}[/]")
        if status == "start":
            self._bar.update(self._task, description=f"{step}")
        ended = self._ended.setdefault(run, set())
        finished_before = ended.issuperset(_LAST_NODES)
        if status == "end":
            ended.add(step)
        elif status == "exception":
            ended.update(_LAST_NODES)
        if ended.issuperset(_LAST_NODES) and not finished_before:
            self._bar.advance(self._task)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
