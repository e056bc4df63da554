"""The process that works on one node, and the server that such processes are forked from.

The server is itself forked from the main process, once that has imported what both need: nothing
is imported twice, and a worker inherits all of it for the price of a fork. It has one thread and
does nothing but fork, listen and report, so that forking is safe however busy the main process is.
"""

from __future__ import annotations

import ctypes
import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, Pipe, wait
from traceback import format_exception, print_exc
from typing import Any

_PRELOAD = "bidsmask.workflows.preload"
_PR_SET_PDEATHSIG = 1
_KEPT_VARIABLES = (
    "HOME",
    "LANG",
    "LC_ALL",
    "MKL_NUM_THREADS",
    "MPLCONFIGDIR",
    "NIPYPE_NO_ET",
    "NO_ET",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PATH",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "TMPDIR",
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a task.

    Attributes
    ----------
    number : int
        Of the task.
    traceback : list of str or None
        None if all went well.
    exit_code : int or None
        Of a worker that died without a word; negative: the signal that killed it.
    """

    number: int
    traceback: list[str] | None = None
    exit_code: int | None = None


class Server:
    """A process that starts a worker for each task, and tells what became of it."""

    def __init__(self) -> None:
        self._line, theirs = Pipe()
        self._pid: int | None = _fork(_serve, theirs, self._line)
        theirs.close()

    @property
    def is_open(self) -> bool:
        """Whether tasks can be given to it."""
        return self._pid is not None

    def start(self, number: int, node: Any, *, updatehash: bool, cwd: str, level: int) -> None:
        """Have a worker run a node; its report will bear that number."""
        self._line.send((number, pickle.dumps((node, updatehash, cwd, level))))

    def reports(self, timeout: float) -> list[Report]:
        """Wait for reports, at most so many seconds.

        Raises
        ------
        EOFError
            If the server has died, and its workers with it.
        """
        found: list[Report] = []
        try:
            while self._line.poll(0 if found else timeout):
                found.append(self._line.recv())
        except (EOFError, OSError):
            self.close()
            raise EOFError("The server that workers are forked from has died.") from None
        return found

    def close(self) -> None:
        """End the server, and every worker that is still running."""
        if self._pid is not None:
            self._line.close()
            os.waitpid(self._pid, 0)
            self._pid = None


_servers: list[Server] = []


def start_server() -> Server:
    """Give the server of this process; it is forked when there is none that is open."""
    if not _servers or not _servers[-1].is_open:
        _servers[:] = [Server()]
    return _servers[-1]


def quiet_nipype(level: str | int) -> None:
    """Let nipype's own loggers speak from `level` on."""
    for name in ("nipype", "nipype.workflow", "nipype.interface", "nipype.utils"):
        logging.getLogger(name).setLevel(level)


def _fork(target: Callable[..., None], *arguments: Any) -> int:
    """Fork a process that calls a function, and is gone then; give its number."""
    _flush()
    pid = os.fork()
    if pid:
        return pid
    exit_code = 1
    try:
        target(*arguments)
        exit_code = 0
    except BaseException:
        print_exc()
    finally:
        _flush()
        os._exit(exit_code)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _serve(line: Connection, of_parent: Connection) -> None:
    """Fork a worker for each task that comes in, until the main process wants no more."""
    of_parent.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    import_module(_PRELOAD)
    tasks: dict[Connection, tuple[int, int]] = {}
    try:
        while True:
            for ready in wait([line, *tasks]):
                if ready is line:
                    number, task = line.recv()
                    ours, theirs = Pipe(duplex=False)
                    tasks[ours] = (number, _fork(_work, theirs, task, line))
                    theirs.close()
                elif isinstance(ready, Connection):
                    line.send(_end(ready, *tasks.pop(ready)))
    except (EOFError, OSError):  # that is how the main process says so, or how it dies
        for _, pid in tasks.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _end(connection: Connection, number: int, pid: int) -> Report:
    """Let go of a worker that has something to say, or has died."""
    try:
        report = Report(number=number, traceback=connection.recv())
    except EOFError:
        report = None
    connection.close()
    _, status = os.waitpid(pid, 0)
    return report or Report(number=number, exit_code=os.waitstatus_to_exitcode(status))


def _work(connection: Connection, task: bytes, line: Connection) -> None:
    """Run one node; send its traceback, or None."""
    line.close()
    _die_with_parent()
    _forget_secrets()
    traceback = None
    try:
        node, updatehash, cwd, level = pickle.loads(task)
        quiet_nipype(level)
        os.chdir(cwd)
        node.run(updatehash=updatehash)
    except BaseException:
        traceback = format_exception(*sys.exc_info())
    connection.send(traceback)


def _forget_secrets() -> None:
    """Keep of the environment what nodes need: nipype saves all of it beside every result."""
    for name in set(os.environ) - set(_KEPT_VARIABLES):
        del os.environ[name]


def _die_with_parent() -> None:
    """Ask Linux to kill this worker when the server it was forked from ends.

    That server ends when the main process does, however it died.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
