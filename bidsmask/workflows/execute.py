"""Running workflows so that one failure, or one death, costs one run and nothing else.

nipype's MultiProc keeps a pool of workers and waits for ever for one that the kernel has killed
(out of memory); the workers of a killed parent live on; and what it does for a node grows with the
number of nodes. So `bidsmask.workflows.schedule` takes its place. Other plugins of nipype, which
send nodes to other machines, can still be asked for.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype import config as nipype_config
from nipype.pipeline import engine as pe

from bidsmask.workflows.letters import error_of_traceback
from bidsmask.workflows.schedule import OnNode, Opened, Scheduler

POLL_SECONDS = 0.2
"""How often other plugins look for finished nodes; nipype's 2 s dominate small workflows."""

_GARBAGE_EVERY = 32
"""Workflows of which so many have ended leave some MB that only a collection gives back."""


@dataclass(frozen=True)
class NodeFailure:
    """A node that could not be done: its full name, and the letter that says why."""

    node: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a workflow; it has not ended if another one's failure stopped it."""

    workflow: pe.Workflow
    n_computed: int
    n_reused: int
    failures: tuple[NodeFailure, ...]
    has_ended: bool = True


def execute(
    workflows: Iterable[pe.Workflow],
    *,
    n_procs: int,
    memory_gb: float,
    crash_dir: Path,
    stop_on_first_crash: bool = False,
    plugin: dict[str, Any] | None = None,
    on_node: OnNode = lambda name, status, reason="": None,
) -> Generator[Outcome]:
    """Run every node of some workflows that is not up to date.

    Parameters
    ----------
    workflows : iterable of nipype Workflow
        With ``base_dir`` set. Each is made when it can be begun, and then forgotten.
    n_procs : int
        Processes at once.
    memory_gb : float
        Memory that the running nodes may claim together.
    crash_dir : Path
        Where nipype leaves a text file for each failed node.
    stop_on_first_crash : bool
        Leave the rest undone after the first failure.
    plugin : dict, optional
        ``{"plugin": name, "plugin_args": {...}}`` for another nipype plugin, which is given one
        workflow after the other.
    on_node : callable, optional
        Called with a node's full name and "start", "end" or "exception"; of a failure also with
        the letter that says why, where it is known by then.

    Yields
    ------
    outcome : Outcome
        Of each workflow that was begun, when it has ended.
    """
    crash_dir.mkdir(parents=True, exist_ok=True)
    prepared = (_prepared(each, crash_dir, stop_on_first_crash) for each in workflows)
    if plugin is not None:
        for workflow in prepared:
            yield _run_elsewhere(workflow, plugin, crash_dir, on_node)
        return
    scheduler = Scheduler(
        n_procs=n_procs,
        memory_gb=memory_gb,
        stop_on_first_crash=stop_on_first_crash,
        on_node=on_node,
    )
    gc.freeze()  # what is there now is no garbage: 0.1 s to look through
    try:
        for number, opened in enumerate(scheduler.run(prepared), 1):
            yield _outcome(opened)
            if not number % _GARBAGE_EVERY:
                gc.collect()
    finally:
        gc.unfreeze()
        scheduler.close()


def _outcome(opened: Opened) -> Outcome:
    return Outcome(
        workflow=opened.workflow,
        n_computed=opened.n_computed,
        n_reused=opened.n_reused,
        failures=tuple(
            NodeFailure(crash.node, crash.kind, crash.reason) for crash in opened.crashes
        ),
        has_ended=not opened.graph,
    )


def _run_elsewhere(
    workflow: pe.Workflow,
    plugin: dict[str, Any],
    crash_dir: Path,
    on_node: OnNode,
) -> Outcome:
    """Have a plugin of nipype's run a workflow."""
    ledger = _Ledger(workflow, on_node)
    crashes_before = set(crash_dir.glob("crash-*.txt"))
    arguments = plugin.get("plugin_args", {}) | {"status_callback": ledger}
    try:
        workflow.run(plugin=plugin["plugin"], plugin_args=arguments)
    except Exception:
        # nipype raises the first node's error again after all nodes had their turn. What
        # failed has been noted; an error that no node is to blame for is not ours to hide.
        if not ledger.failed:
            raise
    return ledger.outcome(sorted(set(crash_dir.glob("crash-*.txt")) - crashes_before))


class _Ledger:
    """nipype's status callback: who started, who ended, who failed."""

    def __init__(self, workflow: pe.Workflow, on_node: OnNode) -> None:
        self.workflow = workflow
        self.on_node = on_node
        self.started: set[str] = set()
        self.ended: set[str] = set()
        self.failed: list[str] = []

    def __call__(self, node: Any, status: str) -> None:
        name = str(node.fullname)
        if status == "start":
            self.started.add(name)
        elif status == "end":
            self.ended.add(name)
        elif status == "exception":
            self.failed.append(name)
        self.on_node(name, status)

    def outcome(self, crash_files: Iterable[Path]) -> Outcome:
        letters = dict(_read_crash(path) for path in crash_files)
        return Outcome(
            workflow=self.workflow,
            n_computed=len(self.started & self.ended),
            n_reused=len(self.ended - self.started),
            failures=tuple(
                NodeFailure(name, *letters.get(name, ("UnknownError", "See the crash file.")))
                for name in self.failed
            ),
        )


def _read_crash(path: Path) -> tuple[str, tuple[str, str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^Node: (?P<node>\S+)", text, re.MULTILINE)
    return (found["node"] if found else path.stem), error_of_traceback(text, path)


def _prepared(workflow: pe.Workflow, crash_dir: Path, stop_on_first_crash: bool) -> pe.Workflow:
    """Give a workflow, and nipype as a whole, the settings that nodes are run with."""
    execution = {
        "crashdump_dir": str(crash_dir),
        "crashfile_format": "txt",
        "create_report": "false",  # a report would hold the whole environment, secrets included
        "get_linked_libs": "false",
        "check_version": "false",
        "hash_method": "content",
        "parameterize_dirs": "false",
        "poll_sleep_duration": str(POLL_SECONDS),
        "remove_unnecessary_outputs": "false",
        "stop_on_first_crash": str(stop_on_first_crash).lower(),
    }
    # nipype keeps its settings in a ConfigParser, to which a percent sign is the start of a name.
    escaped = {name: value.replace("%", "%%") for name, value in execution.items()}
    nipype_config.update_config({"execution": escaped, "logging": {"log_to_file": "false"}})
    workflow.config["execution"] = execution
    return workflow
