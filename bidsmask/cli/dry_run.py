"""``--dry-run``: one row per run and strategy, problems first; nothing is computed or written."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bidsmask.dataset.confounds import Confounds, load_confounds
from bidsmask.dataset.strategies import Strategy
from bidsmask.errors import RunError
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.workflows.plan import Plan, RunPlan


def show_plan(plan: Plan) -> int:
    """Print what would be done with each run; exit code 1 if some runs cannot be done."""
    console = Console(highlight=False)
    problems = [(failure.run, failure.reason) for failure in plan.failures]
    table = Table("run", "strategy", "TR (s)", "volumes", "kept", "confounds", "tDOF", "memory")
    for run in plan.runs:
        for strategy in run.strategies:
            try:
                table.add_row(*_row(run, strategy))
            except RunError as error:
                problems.append((run.run.name, f"{strategy.name}: {error}"))
    for name, reason in problems:
        console.print(f"[red]problem:[/] {escape(name)}: {escape(reason)}", soft_wrap=True)
    console.print(table)
    return 1 if problems else 0


def _row(plan: RunPlan, strategy: Strategy) -> Iterator[str]:
    confounds = _load(plan, strategy)
    ledger = Cleaner(
        strategy.cleaning,
        t_r=plan.t_r,
        sample_mask=confounds.sample_mask,
        design=confounds.design,
    ).ledger
    yield plan.run.name
    yield strategy.name
    yield f"{plan.t_r:g}"
    yield str(plan.n_volumes)
    yield str(ledger.n_kept)
    yield str(ledger.n_confounds)
    yield f"{ledger.remaining:.0f}"
    yield f"{plan.memory_gb:.2f} GB"


def _load(plan: RunPlan, strategy: Strategy) -> Confounds:
    assert plan.run.confounds is not None, "a run without problems has confounds"
    return load_confounds(
        plan.run.confounds, plan.run.confounds_json, strategy, n_volumes=plan.n_volumes
    )
