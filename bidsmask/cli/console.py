"""What a user sees while bidsmask works: a first line, one line for each run, last words.

On a terminal there is a bar besides, and lines of runs without any trouble are left to it. In a
file each line has its time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

from bidsmask._version import __version__
from bidsmask.dataset.listing import some_of
from bidsmask.numerics.verdict import DO_NOT_USE, GOOD, LOOK, NOT_JUDGED, WORDS, Word, worst
from bidsmask.reports.drawing.words import count
from bidsmask.settings import Settings

if TYPE_CHECKING:
    from bidsmask.analysis.group.counted import LeftOut
    from bidsmask.analysis.group.level import GroupSummary
    from bidsmask.analysis.group.stacks import StackFile
    from bidsmask.analysis.plan import Plan
    from bidsmask.derivatives.status import RunFailure
    from bidsmask.numerics.verdict import Verdict
    from bidsmask.workflows.cohort import Summary
    from bidsmask.workflows.progress import RunEnd

_BAR_WIDTH = 20
_MOST_ALIKE = 3
"""So many runs that have failed for the same reason have a line each at the end."""

_COLOURS: dict[Word, str] = {NOT_JUDGED: "green", GOOD: "green", LOOK: "yellow", DO_NOT_USE: "red"}

_IN_SPACE = re.compile(r"_space-.*")
"""What is no help in telling the runs of a bar apart."""


def make_console() -> Console:
    """Standard error, with colours and bars only where somebody is looking."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def announce(console: Console, settings: Settings) -> None:
    """The first line: what was chosen, so that a default is never a surprise."""
    if settings.analysis_level == "group":
        words = f"group level of {settings.output_dir}"
    else:
        chosen = {
            "atlas": settings.atlases,
            "seeds": tuple(path.name for path in settings.extraction.seeds),
            "every voxel": (
                *(("cleaned",) if settings.voxelwise.voxelwise else ()),
                *settings.voxelwise.regional,
            ),
            "strategy": settings.cleaning.strategies,
        }
        words = "; ".join(f"{what} {', '.join(names)}" for what, names in chosen.items() if names)
    console.print(f"{_now(console)}bidsmask {__version__}: {escape(words)}")


def say_plan(console: Console, plan: Plan, *, n_procs: int, problems: bool = True) -> None:
    """How much there is to do, what cannot be done, and what to be warned of."""
    subjects = {run.run.subject for run in plan.runs}
    console.print(
        f"{_now(console)}{count(len(plan.runs), 'run')} of {count(len(subjects), 'subject')} "
        f"to do, {count(n_procs, 'process', 'processes')} at once."
    )
    for failure in plan.failures if problems else ():
        say_problem(console, failure.run, failure.reason)
    for warning in plan.warnings:
        say_warning(console, warning)
    for run in plan.runs:
        for warning in run.run.warnings:
            say_warning(console, f"{run.run.name}: {warning}")


def say_summary(console: Console, summary: Summary) -> None:
    """The last words: what is done, what is not and why, where to look."""
    console.print()
    alike: dict[tuple[bool, str, str], list[RunFailure]] = {}
    for failure in summary.failures:
        alike.setdefault((failure.in_part, failure.node, failure.reason), []).append(failure)
    for failures in alike.values():
        if len(failures) > _MOST_ALIKE:
            names = some_of([failure.run for failure in failures], _MOST_ALIKE)
            say_failure(console, replace(failures[0], run=names))
        else:
            for failure in failures:
                say_failure(console, failure)
    total = len({*summary.done, *(failure.run for failure in summary.failures)})
    reused = f" ({count(summary.n_reused, 'step')} reused)" if summary.n_reused else ""
    colour = "red" if summary.failures else _COLOURS[_worst(summary)]
    n_in_part = sum(failure.in_part for failure in summary.failures)
    n_failed = len(summary.failures) - n_in_part
    words = [f"[{colour}]{len(summary.done)} of {count(total, 'run')} done{reused}"]
    words += [f"{n_in_part} in part"] if n_in_part else []
    words += [f"{n_failed} failed"] if n_failed else []
    words += [count(summary.n_warnings, "warning")] if summary.n_warnings else []
    console.print(f"{_now(console)}{', '.join(words)}.[/] All of it is in {_logs(summary)}.")
    for report in summary.reports:
        console.print(f"  {escape(str(report))}")
    if line := _verdict(summary):
        console.print(f"{_now(console)}{line}")


def _worst(summary: Summary) -> Word:
    return worst(verdict.word for verdict in summary.verdicts.values())


def _verdict(summary: Summary) -> str:
    """Say what is to be thought of the runs, and of which not the best; nothing without any."""
    runs: dict[Word, list[str]] = {}
    for run, verdict in summary.verdicts.items():
        runs.setdefault(verdict.word, []).append(_named(run, verdict))
    words = [
        f"{len(names)} {word}{f': {some_of(names, _MOST_ALIKE)}' if word != GOOD else ''}"
        for word in WORDS[:0:-1]
        if (names := runs.get(word))
    ]
    colour = _COLOURS[_worst(summary)]
    return f"[{colour}]Verdict:[/] {escape('; '.join(words))}." if words else ""


def _named(run: str, verdict: Verdict) -> str:
    """Name a run, and the strategy that is worst in it."""
    return f"{run} [{verdict.reasons[0]}]" if verdict.reasons else run


def say_failure(console: Console, failure: RunFailure) -> None:
    """One run that was not done, or not wholly, as a short letter."""
    what = "in part" if failure.in_part else "failed"
    console.print(_failed(failure.run, failure.node, failure.reason, what))


def say_problem(console: Console, run: str, reason: str) -> None:
    """One run that cannot be done, known before anything is computed."""
    console.print(f"[red]problem:[/] {escape(run)}: {escape(reason)}")


def say_group(console: Console, summary: GroupSummary) -> None:
    """What the group level has read, what it has left out, and what it has written."""
    say_left_out(console, summary.left_out)
    runs, subjects = count(summary.n_runs, "run"), count(summary.n_subjects, "subject")
    console.print(f"{_now(console)}{runs} of {subjects} read:")
    for what, names in (("strategy", summary.strategies), ("atlas", summary.atlases)):
        console.print(f"  {what}: {escape(', '.join(names) or 'none')}")
    said = [f"{number} {word}" for word, number in summary.verdicts.items() if number]
    console.print(f"  verdict (of each run and strategy): {', '.join(said[::-1])}")
    kept = [f"{number} under {escape(name)}" for name, number in summary.included.items()]
    console.print(f"  runs included: {', '.join(kept)}")
    for warning in summary.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    files = count(len(summary.files), "file")
    console.print(f"{files} written, and their sidecars, in {escape(str(summary.folder))}:")
    for kind, n_files in summary.kinds.items():
        console.print(f"  {n_files:>3} {kind}", markup=False)
    console.print("Look at these first:")
    for file in summary.to_look_at:
        console.print(f"  {escape(str(file))}")


def say_shard(console: Console, stacks: Sequence[StackFile], left_out: Sequence[LeftOut]) -> None:
    """Which part of the stacks has been written, and how to go on."""
    say_left_out(console, left_out)
    n_runs = len({run.name for stack in stacks for run in stack.runs})
    said = f"{count(len(stacks), 'stack')} of {count(n_runs, 'run')}"
    console.print(f"{_now(console)}part written: {said}")
    console.print("When all parts are there, the same command without --shards joins them.")


def say_left_out(console: Console, left_out: Sequence[LeftOut]) -> None:
    """Which runs are not in the tables of the group, and why: one line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for each in left_out:
        by_reason.setdefault(each.reason, []).append(each.name)
    for reason, names in by_reason.items():
        console.print(f"[yellow]left out:[/] {escape(some_of(names))}: {escape(reason)}")


@contextmanager
def watched(console: Console, plan: Plan, *, verbose: int) -> Iterator[Watcher]:
    """Watch runs being done: a bar on a terminal, a line for each run elsewhere.

    With -v each step has a line.
    """
    names = Column(ratio=1, no_wrap=True, overflow="ellipsis")  # what room the others leave
    bar = Progress(
        MofNCompleteColumn(),
        BarColumn(bar_width=_BAR_WIDTH),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.description}", table_column=names),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        expand=True,
    )
    with bar:
        yield Watcher(console, bar, plan, verbose=verbose)


class Watcher:
    """Turns steps that start and runs that end into lines and a bar."""

    def __init__(self, console: Console, bar: Progress, plan: Plan, *, verbose: int) -> None:
        self._console, self._bar, self._verbose = console, bar, verbose
        self._task = bar.add_task("starting", total=len(plan.runs), left="")
        self._n_runs, self._n_ended = len(plan.runs), 0
        self._said = {run.run.name: {*run.run.warnings} for run in plan.runs}
        self._at_work: dict[str, str] = {}
        self._letters: set[str] = set()
        self._began = time.monotonic()

    def step(self, run: str, step: str, status: str) -> None:
        """Note that a step of a run has status "start", "end" or "exception"."""
        if self._verbose:
            self._console.print(f"{_now(self._console)}[dim]{status:>9}  {escape(run)}.{step}[/]")
        if status == "start":
            self._at_work[run] = step
            self._bar.update(self._task, description=self._names())

    def end(self, end: RunEnd) -> None:
        """Note that nothing more is done for a run."""
        self._n_ended += 1
        self._at_work.pop(end.run, None)
        self._bar.update(self._task, advance=1, description=self._names(), left=self._left())
        now = _now(self._console)
        if end.failed_at is not None:
            line = _failed(end.run, end.failed_at, end.reason)
            self._console.print(f"{now}{escape(self._place())}{line}")
        elif end.lost:
            line = f"[red]in part:[/] {escape(end.run)}: {escape(self._lost(end.lost))}"
            self._console.print(f"{now}{escape(self._place())}{line}")
        elif not self._console.is_terminal or self._verbose:
            took = "nothing to compute" if end.seconds is None else f"{end.seconds:.1f} s"
            judged = end.verdict.word != NOT_JUDGED
            line = f"done: {escape(end.run)} ({took}){f', {end.verdict.word}' if judged else ''}"
            self._console.print(f"{now}{escape(self._place())}{line}")
        for text in end.warnings:
            if text not in self._said[end.run]:
                say_warning(self._console, f"{end.run}: {text}", now)

    def _lost(self, letters: Sequence[str]) -> str:
        """Say what is lost; what has been said of another run, in short."""
        words = [
            f"{letter.partition(': ')[0]} (why, see above)." if letter in self._letters else letter
            for letter in letters
        ]
        self._letters.update(letters)
        return " ".join(" ".join(words).split())

    def _names(self) -> str:
        """Runs that are being worked on, and the step of each."""
        names = (f"{_IN_SPACE.sub('', run)} {step}" for run, step in self._at_work.items())
        return escape(", ".join(names))

    def _left(self) -> str:
        """Say how much time the rest will take, if it goes on like that."""
        rest = self._n_runs - self._n_ended
        left = (time.monotonic() - self._began) * rest / self._n_ended
        return f"about {_duration(left)} left" if rest else ""

    def _place(self) -> str:
        """Say how many runs have ended."""
        words = [f"{self._n_ended} of {self._n_runs}", self._left()]
        return f"[{', '.join(filter(None, words))}] "


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _failed(run: str, step: str, reason: str, what: str = "failed") -> str:
    return f"[red]{what}:[/] {escape(run)} at {step}: {escape(' '.join(reason.split()))}"


def say_warning(console: Console, warning: str, now: str = "") -> None:
    """Something odd."""
    console.print(f"{now}[yellow]warning:[/] {escape(warning)}")


def _logs(summary: Summary) -> str:
    return escape(str(summary.log.parent / "status.tsv"))


def _now(console: Console) -> str:
    """The time, where lines outlive the moment."""
    return "" if console.is_terminal else time.strftime("%Y-%m-%d %H:%M:%S ")
