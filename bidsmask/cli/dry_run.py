"""``--dry-run``: what would be done with each run, problems first; nothing is computed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bidsmask.analysis.concatenate import Join, joined_files
from bidsmask.analysis.cost import Cost, measure_pace, request_cost, voxel_room
from bidsmask.analysis.kinds import files_by_name
from bidsmask.analysis.notices import heard
from bidsmask.analysis.output_names import expected_files
from bidsmask.analysis.parts import attempt
from bidsmask.analysis.plan import Plan, RunPlan
from bidsmask.analysis.steps import cleaner_of
from bidsmask.cli.console import say_problem, say_warning
from bidsmask.dataset.confounds_table import read_table
from bidsmask.dataset.responses import load_design
from bidsmask.dataset.strategies import Strategy
from bidsmask.errors import AtlasError, RunError
from bidsmask.images.volumes import load_mask
from bidsmask.numerics.freedom import DegreesOfFreedom
from bidsmask.reports.summaries import LostPart, letters

_WIDE = 200


def show_plan(
    plan: Plan,
    *,
    n_procs: int,
    joins: Sequence[Join] = (),
    refusal: AtlasError | None = None,
) -> int:
    """Print what would be done; exit code 1 if some runs cannot be done.

    For each run the files found, its time series, seconds and memory; for each strategy how many
    volumes, confounds and temporal degrees of freedom there would be.

    Parameters
    ----------
    plan : Plan
    n_procs : int
        Processes at once.
    joins : sequence of Join
        Runs that are to be joined.
    refusal : AtlasError, optional
        Why there is nothing to extract; the plan is then one without sources, and the exit code
        that of the error.
    """
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE  # a file or a pipe has no edge to wrap at
    if refusal is not None:
        console.print(f"[red]problem:[/] {escape(str(refusal))}")
    problems = [(failure.run, failure.reason) for failure in plan.failures]
    problems += [(run.run.name, letter) for run in plan.runs for letter in letters(run.lost)]
    table = Table("run", "strategy", "TR (s)", "volumes", "kept", "confounds", "tDOF left")
    for run in plan.runs:
        problems += _mask_problem(console, run)
        for strategy in run.strategies:
            ledger = attempt("strategy", strategy.name, partial(_ledger, run, strategy))
            if isinstance(ledger, LostPart):
                problems += [(run.run.name, letter) for letter in letters([ledger])]
            else:
                table.add_row(*_row(run, strategy, ledger))
    names = {run.run.name for run in plan.runs}
    not_joined = filter(None, (join.failure(names) for join in joins))
    problems += [(failure.run, failure.reason) for failure in not_joined]
    for name, reason in problems:
        say_problem(console, name, reason)
    console.print(table)
    if plan.runs and refusal is None:
        _show_costs(console, plan.runs, n_procs, joins)
    if refusal is not None:
        return refusal.exit_code
    return 1 if problems else 0


def _mask_problem(console: Console, plan: RunPlan) -> list[tuple[str, str]]:
    """Say what is wrong with the mask of a run, which would cost the run, or odd about it."""
    if plan.run.mask is None:  # on surfaces
        return []
    try:
        with heard() as said:
            load_mask(plan.run.mask, plan.grid)
    except RunError as error:
        return [(plan.run.name, str(error))]
    for warning in said:
        say_warning(console, f"{plan.run.name}: {warning}")
    return []


def _row(plan: RunPlan, strategy: Strategy, ledger: DegreesOfFreedom) -> tuple[str, ...]:
    return (
        plan.run.name,
        strategy.name,
        f"{plan.t_r:g}",
        str(plan.n_volumes),
        str(ledger.n_kept),
        str(ledger.n_regressors),
        f"{ledger.remaining:.0f}",
    )


def _show_costs(
    console: Console, plans: Sequence[RunPlan], n_procs: int, joins: Sequence[Join]
) -> None:
    """Each run with its files and its cost alone, then the cost of all."""
    pace = measure_pace(plans)
    for plan in plans:
        _show_files(console, plan, request_cost([plan], n_procs, pace))
        _show_room(console, plan)
    for join in (join for join in joins if not join.problem):
        console.print(f"\n[bold]{escape(join.name)}[/]")
        for name in joined_files(join):
            console.print(f"  writes: {escape(str(name))}")
    total = request_cost(plans, n_procs, pace)
    console.print(
        f"\n[bold]All together[/] with --nprocs {n_procs}: {_words(total)}. Seconds are an "
        "estimate for this machine, as fast as it is now."
    )


def _words(cost: Cost) -> str:
    return f"about {cost.seconds:.3g} s and {cost.memory_mb:.0f} MB of memory"


def _show_files(console: Console, plan: RunPlan, cost: Cost) -> None:
    run = plan.run
    found = {
        **run.by_role,
        **({"mask": run.mask, "boldref": run.boldref} if run.mask else {}),
        "confounds": run.confounds,
        "sidecar": run.confounds_json,
        **{str(table.query): table.path for table in run.tables},
        **({"events": run.events} if run.events else {}),
        **{name: path for source in plan.sources for name, path in files_by_name(source).items()},
        **plan.meshes.by_name,
    }
    console.print(f"\n[bold]{escape(run.name)}[/] (alone: {_words(cost)})")
    for role, path in found.items():
        console.print(f"  {escape(role)}: {escape(str(path)) if path else 'not found'}")
    for name in expected_files(plan):
        console.print(f"  writes: {escape(str(name))}")


def _show_room(console: Console, plan: RunPlan) -> None:
    if not plan.voxelwise.any:
        return
    try:
        output_bytes, work_bytes = voxel_room(plan)
    except RunError as error:
        console.print(f"  [red]problem:[/] {escape(str(error))}")
    else:
        console.print(
            f"  images of all voxels: about {output_bytes / 1e6:.0f} MB in the output, and up to "
            f"{work_bytes / 1e6:.0f} MB in the work folder while they are made"
        )


def _ledger(plan: RunPlan, strategy: Strategy) -> DegreesOfFreedom:
    assert plan.run.confounds is not None, "a run without problems has confounds"
    rows = read_table(plan.run.confounds)
    confounds = load_design(plan.run, strategy, rows, n_volumes=plan.n_volumes, t_r=plan.t_r)
    return cleaner_of(confounds, strategy, plan.cleaning, t_r=plan.t_r).ledger
