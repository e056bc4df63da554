"""Running a workflow so that one failure, or one death, costs one run and nothing else.

nipype's MultiProc keeps a pool of workers and waits for ever for one that the kernel has killed
(out of memory); the workers of a killed parent live on. `IsolatingPlugin` sits on the same plugin
interface, but gives a process one node at a time: a death is seen at once and blamed on the right
node, which gets a second try when nothing else is running; and a worker dies with its parent.
"""

from __future__ import annotations

import gc
import logging
import re
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nipype import config as nipype_config
from nipype.pipeline import engine as pe
from nipype.pipeline.engine.utils import topological_sort
from nipype.pipeline.plugins.multiproc import MultiProcPlugin

from bidsmask._typing import IntArray
from bidsmask.workflows.worker import Report, start_server

POLL_SECONDS = 0.2
"""How often other plugins look for finished nodes; nipype's 2 s dominate small workflows."""

_WAIT_SECONDS = 1.0
"""How long our own plugin sleeps at most; a finished node wakes it at once."""

_LOOKED_AT = 64
"""Of the nodes that are ready, so many are looked at: most of them could not start anyway."""


@dataclass(frozen=True)
class NodeFailure:
    """A node that could not be done: its full name, and the letter that says why."""

    node: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a workflow."""

    n_computed: int
    n_reused: int
    failures: tuple[NodeFailure, ...]


def execute(
    workflow: pe.Workflow,
    *,
    n_procs: int,
    memory_gb: float,
    crash_dir: Path,
    stop_on_first_crash: bool = False,
    plugin: dict[str, Any] | None = None,
    on_node: Callable[[str, str], None] | None = None,
) -> Outcome:
    """Run every node of a workflow that is not up to date.

    Parameters
    ----------
    workflow : nipype Workflow
        With ``base_dir`` set.
    n_procs : int
        Processes at once.
    memory_gb : float
        Memory that the running nodes may claim together.
    crash_dir : Path
        Where nipype leaves a text file for each failed node.
    stop_on_first_crash : bool
        Leave the rest undone after the first failure.
    plugin : dict, optional
        ``{"plugin": name, "plugin_args": {...}}`` for another nipype plugin.
    on_node : callable, optional
        Called with a node's full name and "start", "end" or "exception".
    """
    poll_seconds = POLL_SECONDS if plugin else 0  # ours is woken up
    _configure(workflow, crash_dir, stop_on_first_crash=stop_on_first_crash, poll=poll_seconds)
    ledger = _Ledger(on_node)
    runner: Any
    if plugin is None:
        runner = IsolatingPlugin(
            plugin_args={
                "n_procs": n_procs,
                "memory_gb": memory_gb,
                "raise_insufficient": False,
                "status_callback": ledger,
            }
        )
        arguments = {"plugin": runner}
    else:
        arguments = {
            "plugin": plugin["plugin"],
            "plugin_args": plugin.get("plugin_args", {}) | {"status_callback": ledger},
        }
    crashes_before = set(crash_dir.glob("crash-*.txt"))
    gc.freeze()  # nipype collects garbage before every node, 0.1 s through all that is imported
    try:
        workflow.run(**arguments)
    except Exception:
        # nipype raises the first node's error again after all nodes had their turn. What
        # failed has been noted; an error that no node is to blame for is not ours to hide.
        if not ledger.failed:
            raise
    finally:
        gc.unfreeze()
        if plugin is None:
            runner.close()
    new_crashes = sorted(set(crash_dir.glob("crash-*.txt")) - crashes_before)
    return ledger.outcome(new_crashes)


class _Ledger:
    """nipype's status callback: who started, who ended, who failed."""

    def __init__(self, on_node: Callable[[str, str], None] | None) -> None:
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
        if self.on_node:
            self.on_node(name, status)

    def outcome(self, crash_files: Iterable[Path]) -> Outcome:
        letters = dict(_read_crash(path) for path in crash_files)
        return Outcome(
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


def error_of_traceback(text: str, crash_file: Path) -> tuple[str, str]:
    r"""The kind of error that ended a traceback, and its message.

    >>> error_of_traceback("...\nbidsmask.errors.ConfoundsError: no column.\n", Path("c.txt"))
    ('ConfoundsError', 'no column.')
    """
    ours = re.findall(
        r"^\s*bidsmask\.errors\.(\w+): (.*?)(?=\n\s*\n|\n\s*When creating|\Z)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    if ours:
        kind, message = ours[-1]
        return kind, " ".join(message.split())
    others = re.findall(r"^\s*([\w.]*(?:Error|Exception|Interrupt)): (.*)$", text, re.MULTILINE)
    kind, message = others[-1] if others else ("UnknownError", "No message was left.")
    return kind, f"{message.strip()} This is a bug in bidsmask; please report {crash_file.name}."


def _configure(
    workflow: pe.Workflow, crash_dir: Path, *, stop_on_first_crash: bool, poll: float
) -> None:
    crash_dir.mkdir(parents=True, exist_ok=True)
    execution = {
        "crashdump_dir": str(crash_dir),
        "crashfile_format": "txt",
        "create_report": "false",  # a report would hold the whole environment, secrets included
        "get_linked_libs": "false",
        "check_version": "false",
        "hash_method": "content",
        "parameterize_dirs": "false",
        "poll_sleep_duration": str(poll),
        "remove_unnecessary_outputs": "false",
        "stop_on_first_crash": str(stop_on_first_crash).lower(),
    }
    # nipype keeps its settings in a ConfigParser, to which a percent sign is the start of a name.
    escaped = {name: value.replace("%", "%%") for name, value in execution.items()}
    nipype_config.update_config({"execution": escaped, "logging": {"log_to_file": "false"}})
    workflow.config["execution"] = execution


@dataclass
class _Task:
    """A node that was given to a worker, or waits for its second try."""

    node: Any
    updatehash: bool
    is_running: bool = True
    report: Report | None = None
    second_try: bool = False


class _Unfinished:
    """How many nodes each node waits for, in the place of nipype's matrix of nodes x nodes.

    nipype sums up that matrix, by columns, whenever it looks for nodes that are ready.
    """

    def __init__(self, graph: Any, nodes: Sequence[Any]) -> None:
        number = {node: index for index, node in enumerate(nodes)}
        self._counts = np.array([[graph.in_degree(node) for node in nodes]])
        self._followers = [[number[after] for after in graph.successors(node)] for node in nodes]

    def sum(self, axis: int) -> IntArray:
        """Give the sums, of shape (1, nodes), that nipype asks for."""
        return self._counts

    def finish(self, index: int) -> None:
        """Nobody waits for this node any more."""
        self._counts[0, self._followers[index]] -= 1


class IsolatingPlugin(MultiProcPlugin):
    """nipype plugin: a process works on one node at a time, deaths noticed, no orphans.

    Takes the ``plugin_args`` of nipype's MultiProc. Knows no MapNode.
    """

    def __init__(self, plugin_args: dict[str, Any] | None = None) -> None:
        super().__init__(plugin_args=plugin_args)
        self.pool.shutdown()  # never used: MultiProc makes its pool in the constructor
        self._tasks: dict[int, _Task] = {}
        self._level = logging.getLogger("nipype.workflow").level

    def close(self) -> None:
        """End every worker that is still running."""
        if any(task.is_running for task in self._tasks.values()):
            start_server().close()
        self._tasks.clear()

    def _generate_dependency_list(self, graph: Any) -> None:
        """Number the nodes, and note which of them wait for others."""
        self.procs, _ = topological_sort(graph)
        self.depidx = _Unfinished(graph, self.procs)
        self.proc_done = np.zeros(len(self.procs), dtype=bool)
        self.proc_pending = np.zeros(len(self.procs), dtype=bool)
        gc.freeze()  # the graph, too, which nipype has only now made

    def _task_finished_cb(self, jobid: int, cached: bool = False) -> None:
        if self._status_callback:
            self._status_callback(self.procs[jobid], "end")
        self.proc_pending[jobid] = False
        self.depidx.finish(jobid)

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid += 1
        self._tasks[self._taskid] = _Task(node, updatehash)
        self._start(self._taskid)
        return int(self._taskid)

    def _start(self, taskid: int) -> None:
        task = self._tasks[taskid]
        task.is_running = True
        start_server().start(
            taskid, task.node, updatehash=task.updatehash, cwd=self._cwd, level=self._level
        )

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        task = self._tasks[taskid]
        if task.report is None:
            if not task.is_running and not any(other.is_running for other in self._tasks.values()):
                self._start(taskid)
            return None
        if task.report.exit_code is None:
            return {"result": None, "traceback": task.report.traceback}
        if task.second_try:
            return {"result": None, "traceback": [_obituary(task.report.exit_code)]}
        task.report, task.second_try = None, True
        return None

    def _clear_task(self, taskid: int) -> None:
        del self._tasks[taskid]

    def _send_procs_to_workers(self, updatehash: bool = False, graph: Any = None) -> None:
        """Submit what is ready, unless a second try needs the machine for itself; then sleep.

        MultiProc collects garbage at each call, which takes longer than many nodes do.
        """
        n_started = np.count_nonzero(self.proc_done)
        if self._is_something_ready() and not any(t.second_try for t in self._tasks.values()):
            super()._send_procs_to_workers(updatehash=updatehash, graph=graph)
        if np.count_nonzero(self.proc_done) == n_started:
            self._listen()

    def _sort_jobs(self, jobids: IntArray, scheduler: str | None = None) -> Any:
        return super()._sort_jobs(jobids, scheduler=scheduler)[:_LOOKED_AT]

    def _is_something_ready(self) -> bool:
        if len(self._tasks) >= self.processors:
            return False
        return bool(np.any(~self.proc_done & (self.depidx.sum(axis=0) == 0)))

    def _listen(self) -> None:
        """Sleep until a worker reports."""
        if not any(task.is_running for task in self._tasks.values()):
            return
        try:
            reports = start_server().reports(timeout=_WAIT_SECONDS)
        except EOFError:  # all workers have died with the server
            running = [number for number, task in self._tasks.items() if task.is_running]
            reports = [Report(number=number, exit_code=-signal.SIGKILL) for number in running]
        for report in reports:
            self._tasks[report.number].report = report
            self._tasks[report.number].is_running = False

    def _postrun_check(self) -> None:
        self.close()


def _obituary(exit_code: int) -> str:
    how = f"exit code {exit_code}"
    if exit_code < 0:
        how = f"signal {signal.Signals(-exit_code).name}"
    return (
        f"bidsmask.errors.WorkerError: The process that worked on this run died twice ({how}). "
        "If the machine or the job ran out of memory, lower --nprocs or ask for more memory.\n"
    )
