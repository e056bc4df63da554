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
from nipype.pipeline import plugins

from bidsmask.errors import SettingsError
from bidsmask.workflows.letters import error_of_traceback
from bidsmask.workflows.schedule import OnNode, Opened, Scheduler

POLL_SECONDS = 0.2
"""How often other plugins look for finished nodes; nipype's 2 s dominate small workflows."""

_GARBAGE_EVERY = 32
"""Workflows of which so many have ended leave some MB that only a collection gives back."""

STOPPED = (
    "Another run failed, and --stop-on-first-crash was given. Run the same command again without "
    "it."
)
"""Why a workflow has not ended, or not even begun."""

RESULT_SECONDS = 20
"""How long other plugins wait for the result of a job that has ended, to cross a network share."""


@dataclass(frozen=True)
class NodeFailure:
    """A node that could not be done: its full name, and the letter that says why."""

    node: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a workflow.

    `stopped` is empty if every node had its turn, and else says why not.
    """

    workflow: pe.Workflow
    n_computed: int
    n_reused: int
    failures: tuple[NodeFailure, ...]
    stopped: str = ""


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
        stopped=STOPPED if opened.graph else "",
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
    stopped = ""
    try:
        workflow.run(plugin=_runner(plugin, ledger))
    except Exception as error:
        # nipype raises the first node's error again after all nodes had their turn, as a rule.
        # What failed has been noted; an error that no node is to blame for is not ours to hide.
        if not ledger.failed:
            raise
        last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        stopped = (
            f"nipype's plugin {plugin['plugin']} ended before all had their turn ({last}). "
            "Run the same command again."
        )
    crashes = sorted(set(crash_dir.glob("crash-*.txt")) - crashes_before)
    return ledger.outcome(crashes, stopped)


def _runner(plugin: dict[str, Any], ledger: _Ledger) -> Any:
    """Make a plugin of nipype's, in which one job that is killed does not end all others.

    nipype puts down a crash in lists of lines; of a job without a result it has one text, and
    falls over that.
    """
    kind = getattr(plugins, f"{plugin['plugin']}Plugin", None)
    if kind is None:
        there = [name.removesuffix("Plugin") for name in dir(plugins) if name.endswith("Plugin")]
        raise SettingsError(
            f"nipype has no plugin {plugin['plugin']}. It has {', '.join(sorted(there))}."
        )
    runner = kind(plugin_args=plugin.get("plugin_args", {}) | {"status_callback": ledger})
    report = getattr(runner, "_report_crash", None)
    if report is None:  # Linear, which has no jobs
        return runner

    def report_lines(node: Any, result: dict[str, Any] | None = None) -> Any:
        if result and isinstance(result["traceback"], str):
            result["traceback"] = result["traceback"].splitlines(keepends=True)
        return report(node, result=result)

    runner._report_crash = report_lines
    return runner


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

    def outcome(self, crash_files: Iterable[Path], stopped: str) -> Outcome:
        letters = dict(_read_crash(path) for path in crash_files)
        return Outcome(
            workflow=self.workflow,
            n_computed=len(self.started & self.ended),
            n_reused=len(self.ended - self.started),
            failures=tuple(
                NodeFailure(name, *letters.get(name, ("UnknownError", "See the crash file.")))
                for name in self.failed
            ),
            stopped=stopped,
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
        "job_finished_timeout": str(RESULT_SECONDS),
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
