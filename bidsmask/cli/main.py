"""The command: argv -> Settings -> exit code."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bidsmask.cli.environment import prepare
from bidsmask.cli.folders import check_folders, claim_demo_folder
from bidsmask.cli.parser import as_typed, parse
from bidsmask.errors import AtlasError, BidsmaskError
from bidsmask.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from bidsmask.analysis.plan import Plan

_BUG = 70
_INTERRUPTED = 128
_ASKED_TO_END = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command and leave the process with its exit code, at once.

    Python would take down one object after the other, which takes 0.2 s.
    """
    exit_code = main(argv, in_own_process=True)
    for number in _ASKED_TO_END:
        signal.signal(number, signal.SIG_IGN)  # it is about to
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def main(argv: Sequence[str] | None = None, *, in_own_process: bool = False) -> int:
    """Run the command; give its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.
    in_own_process : bool
        Whether nothing else has been done in this process, so that workers may inherit from it.
    """
    for number in _ASKED_TO_END:
        signal.signal(number, _on_signal)
    try:
        options = parse(argv)
        if options.demo:
            return _demo(options.demo)
        if options.check:
            return _check(options.bids_dir)
        if options.list_strategies:
            return _list_strategies()
        return _run_level(options, in_own_process=in_own_process)
    except BidsmaskError as error:
        return _say_error(as_typed(str(error), argv), error.exit_code)
    except OSError as error:
        return _say_refusal(error)
    except Exception:  # the last door: whatever comes here was not foreseen
        return _say_bug()
    except (KeyboardInterrupt, _AskedToEnd) as asked:
        number = asked.number if isinstance(asked, _AskedToEnd) else signal.SIGINT
        return _say_error(_farewell(number), _INTERRUPTED + number)


def _run_level(options: argparse.Namespace, *, in_own_process: bool) -> int:
    settings: Settings = options.settings
    check_folders(settings)
    prepare(settings.work_dir, threads=settings.execution.omp_nthreads)
    from bidsmask.cli.console import announce, make_console

    console = make_console()
    announce(console, settings)
    if settings.analysis_level == "group":
        return _group(settings, console)
    with _garbage_kept():
        return _participant(settings, console, options, in_own_process=in_own_process)


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Do not look for garbage: importing takes a third longer with it, and leaves none.

    While nodes run, nipype has it collected before it starts one.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _needs_workers(options: argparse.Namespace) -> bool:
    other_plugin = options.settings.execution.plugin_file is not None
    computes = not (options.dry_run or options.reports_only or options.boilerplate_only)
    return computes and not other_plugin


def _participant(
    settings: Settings, console: Console, options: argparse.Namespace, *, in_own_process: bool
) -> int:
    from bidsmask.analysis.earlier import heed_earlier_outputs
    from bidsmask.analysis.foresight import foresee
    from bidsmask.analysis.page import write_methods, write_reports
    from bidsmask.analysis.plan import make_plan
    from bidsmask.cli.console import say_plan, say_summary, watched
    from bidsmask.workflows.cohort import n_procs
    from bidsmask.workflows.participant import dataset_links, run_participants
    from bidsmask.workflows.worker import apart, quiet_nipype, start_server

    quiet_nipype("INFO" if settings.execution.verbose > 1 else "CRITICAL")
    if _needs_workers(options):
        # While there is one thread, and before what workers do not need is imported.
        start_server(forked=in_own_process)
    links = dataset_links(settings)
    # The index of a dataset takes pybids, and memory that nothing later has a use for.
    planned = partial(apart, make_plan) if in_own_process else make_plan
    try:
        plan = planned(settings)
    except AtlasError as error:
        if not options.dry_run:
            raise
        return _dry_run(settings, make_plan(settings, with_sources=False), refusal=error)
    plan = heed_earlier_outputs(foresee(plan), settings.output_dir, links)
    say_plan(console, plan, n_procs=n_procs(settings), problems=not options.dry_run)
    if options.dry_run:
        return _dry_run(settings, plan)
    if options.boilerplate_only:
        write_methods(settings, plan)
        console.print(f"  {settings.output_dir / 'logs' / 'CITATION.md'}", markup=False)
        return 0
    if options.reports_only:
        for report in write_reports(settings, plan):
            console.print(f"  {report}", markup=False)
        return 0
    with watched(console, plan, verbose=settings.execution.verbose) as watcher:
        summary = run_participants(settings, plan, on_step=watcher.step, on_end=watcher.end)
    say_summary(console, summary)
    return summary.exit_code


def _dry_run(settings: Settings, plan: Plan, refusal: AtlasError | None = None) -> int:
    from bidsmask.analysis.concatenate import find_joins
    from bidsmask.cli.dry_run import show_plan
    from bidsmask.workflows.cohort import n_procs

    joins = find_joins(plan) if settings.output.concatenate else ()
    return show_plan(plan, n_procs=n_procs(settings), joins=joins, refusal=refusal)


def _group(settings: Settings, console: Console) -> int:
    from bidsmask.analysis.group.level import run_group
    from bidsmask.analysis.group.stacks import write_shard
    from bidsmask.cli.console import say_group, say_shard

    if settings.group.shards is not None:
        stacks, left_out = write_shard(
            settings.output_dir, settings.selection.subjects, *settings.group.shards
        )
        say_shard(console, stacks, left_out)
        return 1 if left_out else 0
    summary = run_group(settings)
    say_group(console, summary)
    return summary.exit_code


def _check(folder: Path) -> int:
    """Hold every file of an output against its record."""
    from bidsmask.cli.check import show_check

    return show_check(folder)


def _list_strategies() -> int:
    """Print what each named strategy does."""
    from bidsmask.cli.strategies import show_strategies

    return show_strategies()


def _demo(folder: Path) -> int:
    """Write the demo dataset, run both levels on it."""
    folder = folder.absolute()
    claim_demo_folder(folder)
    prepare(folder / "work")
    from bidsmask.demo import ATLAS_NAME, SPACES, write_demo, write_surfaces

    print(f"Writing a demo dataset into {folder}", file=sys.stderr)  # noqa: T201
    demo = write_demo(folder)
    write_surfaces(demo)
    where = [str(demo.root), str(folder / "bidsmask")]
    what = ["--atlases", ATLAS_NAME, "--datasets", f"demo={demo.atlas.parent}"]
    what += ["--space", *SPACES, "--strategies", "simple", "24P"]
    exit_code = main([*where, "participant", *what, "-w", str(folder / "work")])
    return exit_code or main([*where, "group", *what])


class _AskedToEnd(BaseException):
    """A signal arrived that asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)


def _on_signal(number: int, _: object) -> NoReturn:
    """Let what is running clean up; who asks again does not want to wait for that."""
    for each in _ASKED_TO_END:
        signal.signal(each, _leave)
    raise _AskedToEnd(number)


def _leave(number: int, _: object) -> NoReturn:
    """End at once; workers do as well, when they see it."""
    os.write(2, f"bidsmask: {_farewell(signal.Signals(number))}\n".encode())
    os._exit(_INTERRUPTED + number)


def _farewell(number: signal.Signals) -> str:
    return f"{_ASKED_TO_END[number]}. Run the same command again to finish."


def _say_refusal(error: OSError) -> int:
    """Say what the operating system has refused; what is no trouble of a disk is a bug."""
    from bidsmask.derivatives.writing import explain, is_storage_trouble

    if not is_storage_trouble(error.errno):
        return _say_bug()
    letter = explain(Path(error.filename or "."), error)
    return _say_error(str(letter), letter.exit_code)


def _say_bug() -> int:
    traceback.print_exc()
    return _say_error("This is a bug in bidsmask. Please report the lines above.", _BUG)


def _say_error(letter: str, exit_code: int) -> int:
    print(f"bidsmask: {letter}", file=sys.stderr)  # noqa: T201
    return exit_code
