"""Whose turn it is: the nodes of a few workflows at a time, side by side.

nipype's plugins are given one graph of all nodes there are, and what they do for one node grows
with that number. Here a workflow (of one run) is opened when a core has nothing else to do,
and forgotten when its last node has had its turn. So a run costs the same, in time and in memory,
in a cohort of any size.

A process is given one node at a time: a death is seen at once and blamed on the right node, which
gets a second try when nothing else is running.
"""

from __future__ import annotations

import logging
import os
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nipype.pipeline import engine as pe
from nipype.pipeline.plugins.tools import report_crash

from bidsmask.errors import WorkerError
from bidsmask.workflows.letters import error_of_traceback, obituary
from bidsmask.workflows.worker import Report, ServerDiedError, as_traceback, start_server

_WAIT_SECONDS = 1.0
"""How long the scheduler sleeps at most; a finished node wakes it at once."""


class OnNode(Protocol):
    """What wants to know of nodes."""

    def __call__(self, node: str, status: str, reason: str = "") -> None:
        """Take note."""


@dataclass(frozen=True)
class Crash:
    """A node that failed: its full name, and the letter that says why."""

    node: str
    kind: str
    reason: str


@dataclass(eq=False)
class Opened:
    """A workflow that was begun, and how far it has come.

    Parameters
    ----------
    workflow : nipype Workflow
    graph : networkx DiGraph
        Of the nodes that have not had their turn; those behind a failed one have none.
    n_computed, n_reused : int
        Nodes that are done.
    crashes : list of Crash
    """

    workflow: pe.Workflow
    graph: Any
    n_computed: int = 0
    n_reused: int = 0
    crashes: list[Crash] = field(default_factory=list)


@dataclass(order=True)
class _Turn:
    """A node that is ready, running, or waits for its second try; in the order of their turns."""

    workflow_number: int
    node_number: int
    node: Any = field(compare=False)
    opened: Opened = field(compare=False)
    second_try: bool = field(default=False, compare=False)


class Scheduler:
    """Runs workflows in processes of its own.

    Parameters
    ----------
    n_procs : int
        Processes at once.
    memory_gb : float
        Memory that the running nodes may claim together; a node that claims more runs alone.
    stop_on_first_crash : bool
        Leave the rest undone after the first failure.
    on_node : callable
        Called with a node's full name and "start", "end" or "exception"; of a failure also with
        the letter that says why.
    """

    def __init__(
        self,
        *,
        n_procs: int,
        memory_gb: float,
        stop_on_first_crash: bool,
        on_node: OnNode,
    ) -> None:
        self._n_procs = n_procs
        self._memory_gb = memory_gb
        self._stop_on_first_crash = stop_on_first_crash
        self._on_node = on_node
        self._ready: list[_Turn] = []
        self._running: dict[int, _Turn] = {}
        self._suspects: list[_Turn] = []
        self._opened: list[Opened] = []
        self._numbers = count()
        self._stopped = False
        self._cwd = str(Path.cwd())
        self._level = logging.getLogger("nipype.workflow").level

    def run(self, workflows: Iterable[pe.Workflow]) -> Iterator[Opened]:
        """Run every node that is not up to date; tell of each workflow when it has ended.

        After a crash that stops it all, tell of those that were begun too.

        Parameters
        ----------
        workflows : iterable of nipype Workflow
            With ``base_dir`` set. Each is asked for when it can be begun.
        """
        to_open = iter(workflows)
        while not self._stopped:
            self._fill(to_open)
            ended = [opened for opened in self._opened if not opened.graph]
            for opened in ended:
                self._opened.remove(opened)
                yield opened
            if self._running:
                self._listen()
            elif not ended:
                return
        yield from self._opened

    def close(self) -> None:
        """End every worker that is still running."""
        if self._running:
            start_server().close()

    def _fill(self, to_open: Iterator[pe.Workflow]) -> None:
        """Give every core a node, as long as there are some."""
        if self._suspects and not self._running:
            self._start(self._suspects.pop(0))
        if self._suspects or any(turn.second_try for turn in self._running.values()):
            return
        while len(self._running) < self._n_procs and all(each.graph for each in self._opened):
            if turn := self._next():
                self._begin(turn)
            elif self._ready and len(self._opened) >= self._n_procs:
                return  # they wait for memory, and others would too
            elif not self._open(to_open):
                return

    def _next(self) -> _Turn | None:
        """Take the first node for which there is memory."""
        free_gb = self._memory_gb - sum(self._need_gb(turn) for turn in self._running.values())
        for position, turn in enumerate(self._ready):
            if self._need_gb(turn) <= free_gb:
                return self._ready.pop(position)
        return None

    def _need_gb(self, turn: _Turn) -> float:
        return min(float(turn.node.mem_gb), self._memory_gb)

    def _open(self, to_open: Iterator[pe.Workflow]) -> bool:
        workflow = next(to_open, None)
        if workflow is None:
            return False
        opened = Opened(workflow, _graph_of(workflow))
        self._opened.append(opened)
        number = next(self._numbers)
        for node_number, node in enumerate(opened.graph):
            opened.graph.nodes[node]["turn"] = _Turn(number, node_number, node, opened)
        self._make_ready(opened, list(opened.graph))
        return True

    def _make_ready(self, opened: Opened, nodes: Iterable[Any]) -> None:
        for node in nodes:
            if not opened.graph.in_degree(node):
                insort(self._ready, opened.graph.nodes[node]["turn"])

    def _begin(self, turn: _Turn) -> None:
        if _is_up_to_date(turn.node):
            turn.opened.n_reused += 1
            self._end(turn)
        else:
            self._on_node(turn.node.fullname, "start")
            self._start(turn)

    def _start(self, turn: _Turn) -> None:
        number = next(self._numbers)
        self._running[number] = turn
        try:
            start_server().start(
                number, turn.node, updatehash=False, cwd=self._cwd, level=self._level
            )
        except ServerDiedError as error:
            self._lose_all(error)
        except WorkerError as error:  # there is no server, and none can be started
            self._hear(Report(number=number, traceback=as_traceback(error)))

    def _listen(self) -> None:
        """Sleep until a worker reports."""
        try:
            reports = start_server().reports(timeout=_WAIT_SECONDS)
        except ServerDiedError as error:
            self._lose_all(error)
            return
        for report in reports:
            self._hear(report)

    def _lose_all(self, error: ServerDiedError) -> None:
        """All workers have died with the server."""
        for number in list(self._running):
            self._hear(Report(number=number, exit_code=error.exit_code))

    def _hear(self, report: Report) -> None:
        turn = self._running.pop(report.number)
        if report.is_good:
            turn.opened.n_computed += 1
            self._end(turn)
        elif report.traceback is not None:
            self._fail(turn, report.traceback)
        elif report.exit_code is not None and turn.second_try:
            self._fail(turn, [obituary(report.exit_code)])
        else:
            turn.second_try = True
            self._suspects.append(turn)

    def _end(self, turn: _Turn) -> None:
        self._on_node(turn.node.fullname, "end")
        graph = turn.opened.graph
        followers = list(graph.successors(turn.node))
        graph.remove_node(turn.node)
        self._make_ready(turn.opened, followers)

    def _fail(self, turn: _Turn, traceback: list[str]) -> None:
        name, place = str(turn.node.fullname), Path(turn.node.output_dir())
        file = _crash_file(turn.node, traceback)
        kind, reason = error_of_traceback("".join(traceback), file, place)
        self._on_node(name, "exception", reason)
        turn.opened.crashes.append(Crash(name, kind, reason))
        _remove_with_followers(turn.opened.graph, turn.node)
        self._stopped = self._stop_on_first_crash


class _Taker:
    """What nipype takes for a plugin: it keeps the graph, and runs nothing."""

    plugin_args: ClassVar[dict[str, Any]] = {}

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Keep the graph."""
        self.graph = graph


def _graph_of(workflow: pe.Workflow) -> Any:
    """Have nipype make nodes that can be run, and the graph that joins them."""
    taker = _Taker()
    workflow.run(plugin=taker)
    return taker.graph


def _remove_with_followers(graph: Any, node: Any) -> None:
    for follower in list(graph.successors(node)):
        if follower in graph:
            _remove_with_followers(graph, follower)
    graph.remove_node(node)


def _is_up_to_date(node: Any) -> bool:
    if node.overwrite or not os.path.isdir(node.output_dir()):  # noqa: PTH112 (before all nodes)
        return False
    try:
        return all(node.is_cached())
    except Exception:  # a worker will see the same, and say what it is
        return False


def _crash_file(node: Any, traceback: list[str]) -> Path | None:
    """Leave nipype's file of a crash; on a full disk there may be no room even for that."""
    try:
        return Path(report_crash(node, traceback=list(traceback)))
    except OSError:
        return None  # the letter is known without it
