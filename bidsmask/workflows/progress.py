"""What becomes of each run while nodes start, end and fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bidsmask.analysis.plan import RunPlan
from bidsmask.numerics.verdict import Verdict
from bidsmask.workflows.run import run_wf_name

_SUMMARY_STEP = "report"
_LAST_STEPS = frozenset(["derive", _SUMMARY_STEP])


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """A run that nothing more is done for.

    Parameters
    ----------
    run : str
        Its name.
    seconds : float or None
        How long it was worked on; None if nothing had to be computed.
    failed_at : str or None
        The step that failed.
    reason : str
        The letter that says why.
    warnings : tuple of str
        What is odd about it.
    lost : tuple of str
        Parts of it that are n/a, and why.
    verdict : Verdict
        The worst of its strategies.
    """

    run: str
    seconds: float | None
    failed_at: str | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    verdict: Verdict = field(default_factory=Verdict)


@dataclass
class _Progress:
    """A run on its way."""

    plan: RunPlan
    ended: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    began: float = 0.0
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    verdict: Verdict = field(default_factory=Verdict)
    is_over: bool = False


class Progress:
    """Follows the nodes of runs: which runs have ended, and how long they were worked on.

    Parameters
    ----------
    plans : iterable of RunPlan
    read_summary : callable
        Gives what is odd about a run, which of its parts are n/a, and the verdict, once its
        summary is written.
    on_step : callable
        Called with the name of a run, that of a step, and "start", "end" or "exception".
    on_end : callable
        Called with a `RunEnd`, once for each run: when all is done, or with the first failure.
    """

    def __init__(
        self,
        plans: Iterable[RunPlan],
        *,
        read_summary: Callable[[RunPlan], tuple[tuple[str, ...], tuple[str, ...], Verdict]],
        on_step: Callable[[str, str, str], None],
        on_end: Callable[[RunEnd], None],
    ) -> None:
        self._runs = {
            run_wf_name(plan): _Progress(plan, warnings=plan.run.warnings) for plan in plans
        }
        self._read_summary = read_summary
        self._on_step, self._on_end = on_step, on_end

    @property
    def seconds(self) -> dict[str, float]:
        """How long each run was worked on; without those that nothing was computed for."""
        taken = {each.plan.run.name: each.seconds for each in self._runs.values()}
        return {run: seconds for run, seconds in taken.items() if seconds is not None}

    @property
    def warnings(self) -> dict[str, tuple[str, ...]]:
        """What is odd about each run."""
        return {each.plan.run.name: each.warnings for each in self._runs.values()}

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each run of which the summary was written."""
        return {each.plan.run.name: each.verdict for each in self._runs.values()}

    def __call__(self, node: str, status: str, reason: str = "") -> None:
        """Note that a node (its full name) has status "start", "end" or "exception"."""
        *_, workflow, step = node.split(".")
        each = self._runs[workflow]
        run = each.plan.run.name
        self._on_step(run, step, status)
        if status == "start":
            self._begin(each, step)
            return
        self._pause(each, step)
        if status == "end":
            each.ended.add(step)
            if step == _SUMMARY_STEP:
                each.warnings, each.lost, each.verdict = self._read_summary(each.plan)
        failed_at = step if status == "exception" else None
        if not each.is_over and (failed_at or each.ended >= _LAST_STEPS):
            each.is_over = True
            self._on_end(
                RunEnd(
                    run=run,
                    seconds=each.seconds,
                    failed_at=failed_at,
                    reason=reason,
                    warnings=each.warnings,
                    lost=each.lost,
                    verdict=each.verdict,
                )
            )

    def _begin(self, each: _Progress, step: str) -> None:
        if not each.running:
            each.began = time.monotonic()
        each.running.add(step)

    def _pause(self, each: _Progress, step: str) -> None:
        """Stop the clock of a run when none of its steps is running; some end without a start."""
        if each.running == {step}:
            each.seconds = (each.seconds or 0.0) + time.monotonic() - each.began
        each.running.discard(step)
