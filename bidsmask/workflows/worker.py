"""The processes that work on nodes, and the server that they are forked from.

A worker inherits what the server has imported for the price of a fork. The server has one thread
and does nothing but fork, listen and report, so that forking is safe however busy the main process
is. It is a fresh interpreter; in a process that is bidsmask's own it is forked as well, once what
both need is imported, and nothing is imported twice.

A worker takes one node after the other, as long as all goes well: the next one finds ready what
is looked up, compiled or read when it is first needed. None outlives a failure, and none stays
that has nothing to do, as what it has had in memory would stay too.
"""

from __future__ import annotations

import ctypes
import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, Pipe, wait
from traceback import format_exception, print_exc
from typing import Any, TypeVar

from bidsmask.errors import WorkerError

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

Result = TypeVar("Result")

_IDLE_SECONDS = 0.2
"""How long a worker waits for its next node: after that it is cheaper forked anew than kept."""

MORE_PROCESSES = (
    "Lower --nprocs, or ask for more: `ulimit -u` is how many processes and threads a user may "
    "have."
)
"""What to do where none can be started."""


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

    @property
    def is_good(self) -> bool:
        """Whether the node is done."""
        return self.traceback is None and self.exit_code is None


class ServerDiedError(Exception):
    """The server that workers are forked from has died, and they with it.

    Parameters
    ----------
    exit_code : int
        Of the server; negative: the signal that killed it.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"The server that workers are forked from has died ({exit_code}).")
        self.exit_code = exit_code


def no_process(error: OSError) -> WorkerError:
    """Say that the machine lets no process be started."""
    return WorkerError(f"No process could be started ({error.strerror}). {MORE_PROCESSES}")


def as_traceback(error: WorkerError) -> list[str]:
    """Write an error as a traceback ends that nobody has."""
    return [f"{type(error).__module__}.{type(error).__name__}: {error}\n"]


class Server:
    """A process that has a worker for each task, and tells what became of it.

    Parameters
    ----------
    forked : bool
        Whether it inherits what has been imported here, and whatever else has been done here.
    """

    def __init__(self, *, forked: bool) -> None:
        self._line, theirs = Pipe()
        self._pid: int | None = (
            _fork(_serve, theirs, self._line) if forked else _start_afresh(theirs)
        )
        theirs.close()

    @property
    def is_open(self) -> bool:
        """Whether tasks can be given to it."""
        return self._pid is not None

    def start(self, number: int, node: Any, *, updatehash: bool, cwd: str, level: int) -> None:
        """Have a worker run a node; its report will bear that number.

        Raises
        ------
        ServerDiedError
        """
        task = pickle.dumps((sys.path, cwd, level, pickle.dumps((node, updatehash))))
        try:
            self._line.send((number, task))
        except OSError:
            raise ServerDiedError(self.close()) from None

    def reports(self, timeout: float) -> list[Report]:
        """Wait for reports, at most so many seconds.

        Raises
        ------
        ServerDiedError
        """
        found: list[Report] = []
        try:
            while self._line.poll(0 if found else timeout):
                found.append(self._line.recv())
        except (EOFError, OSError):
            raise ServerDiedError(self.close()) from None
        return found

    def close(self) -> int:
        """End the server, and every worker that is still running; give its exit code."""
        if self._pid is None:
            return 0
        self._line.close()
        _, status = os.waitpid(self._pid, 0)
        self._pid = None
        return os.waitstatus_to_exitcode(status)


_servers: list[Server] = []


def start_server(*, forked: bool = False) -> Server:
    """Give the server of this process; it is started when there is none that is open.

    Parameters
    ----------
    forked : bool
        See `Server`. For a process of our own, that has one thread yet.

    Raises
    ------
    WorkerError
        If no process can be started.
    """
    if not _servers or not _servers[-1].is_open:
        try:
            _servers[:] = [Server(forked=forked)]
        except OSError as error:
            raise no_process(error) from error
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


def apart(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a process that is forked for it, and is gone with all that it took.

    For a process of our own that has one thread. What the function gives or raises is pickled.

    Raises
    ------
    WorkerError
        If no process can be started, or it dies.
    """
    line, theirs = Pipe(duplex=False)
    try:
        pid = _fork(_answer, theirs, function, arguments)
    except OSError as refusal:
        raise no_process(refusal) from refusal
    theirs.close()
    result: Result
    try:
        result, error = line.recv()
    except EOFError:
        raise WorkerError(f"A process died while it did {function.__name__}.") from None
    except BaseException:
        os.kill(pid, signal.SIGTERM)
        raise
    finally:
        os.waitpid(pid, 0)
        line.close()
    if error is not None:
        raise error
    return result


def _answer(line: Connection, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """Send what a function gives, or raises."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    _die_with_parent()
    answer: tuple[Any, BaseException | None]
    try:
        answer = function(*arguments), None
    except BaseException as error:
        error.add_note("".join(format_exception(error)))  # tracebacks do not travel
        answer = None, error
    with suppress(BrokenPipeError):  # nobody wants to know any more
        line.send(answer)


def _start_afresh(line: Connection) -> int:
    """Start an interpreter that finds the same modules; give its number."""
    os.set_inheritable(line.fileno(), True)
    code = f"from bidsmask.workflows.worker import serve_at; serve_at({line.fileno()})"
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return os.posix_spawn(sys.executable, [sys.executable, "-c", code], environment)


def serve_at(descriptor: int) -> None:
    """Serve the process that has opened this descriptor, in an interpreter of its own."""
    _serve(Connection(descriptor))


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


@dataclass(frozen=True, eq=False)
class _Worker:
    """A worker as the server knows it."""

    connection: Connection
    pid: int

    def kill(self) -> None:
        """End a worker, whatever it is doing."""
        os.kill(self.pid, signal.SIGKILL)
        self.end()

    def end(self) -> int:
        """Let go of a worker that has ended, or is about to; give its exit code."""
        self.connection.close()
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def _serve(line: Connection, *of_parent: Connection) -> None:
    """Hand each task that comes in to a worker, until the main process wants no more."""
    for other in of_parent:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    import_module(_PRELOAD)
    busy: dict[Connection, tuple[int, _Worker]] = {}
    idle: list[_Worker] = []
    try:
        while True:
            found = wait([line, *busy], timeout=_IDLE_SECONDS if idle else None)
            while idle and not found:
                idle.pop().kill()
            for ready in found:
                if ready is line:
                    number, task = line.recv()
                    try:
                        worker = idle.pop() if idle else _fork_worker(line)
                    except OSError as error:
                        line.send(Report(number=number, traceback=as_traceback(no_process(error))))
                        continue
                    busy[worker.connection] = number, worker
                    with suppress(BrokenPipeError):  # it has died: that is seen when it is heard
                        worker.connection.send_bytes(task)
                elif isinstance(ready, Connection):
                    number, worker = busy.pop(ready)
                    report = _hear(number, worker)
                    if report.is_good:
                        idle.append(worker)
                    line.send(report)
    except (EOFError, OSError):  # that is how the main process says so, or how it dies
        for worker in [*idle, *(worker for _, worker in busy.values())]:
            worker.kill()


def _fork_worker(line: Connection) -> _Worker:
    ours, theirs = Pipe()
    pid = _fork(_work, theirs, line, ours)
    theirs.close()
    return _Worker(ours, pid)


def _hear(number: int, worker: _Worker) -> Report:
    """Hear what a worker has to say, or see that it has died."""
    try:
        report = Report(number=number, traceback=worker.connection.recv())
    except (EOFError, ConnectionResetError):
        return Report(number=number, exit_code=worker.end())
    if not report.is_good:
        worker.end()
    return report


def _work(connection: Connection, *of_server: Connection) -> None:
    """Run one node after the other; send None for each, or the traceback of the first failure."""
    for other in of_server:
        other.close()
    _die_with_parent()
    _forget_secrets()
    traceback = None
    with suppress(EOFError):  # there is no server any more
        while traceback is None:
            traceback = _run(connection.recv_bytes())
            connection.send(traceback)


def _run(task: bytes) -> list[str] | None:
    try:
        sys.path[:], cwd, level, rest = pickle.loads(task)
        quiet_nipype(level)
        os.chdir(cwd)
        node, updatehash = pickle.loads(rest)
        node.run(updatehash=updatehash)
        _give_back_memory()
    except BaseException:
        return format_exception(*sys.exc_info())
    return None


def _give_back_memory() -> None:
    """Have what a node held and no longer holds counted as ours no more (where glibc is)."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


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
