"""The process that works on one node, and the server that such processes are forked from.

Imports next to nothing, so that the server can be started before all else and import what nodes
need while the parent is busy elsewhere.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from traceback import format_exception
from typing import Any

_PRELOAD = ("bidsmask.workflows.preload",)
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


def start_server() -> ForkServerContext:
    """Start the server that workers are forked from; it goes on importing after this returns.

    Every worker inherits what the server has imported for the price of a fork.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOAD))
    from multiprocessing import forkserver

    forkserver.ensure_running()
    return context


def quiet_nipype(level: str | int) -> None:
    """Let nipype's own loggers speak from `level` on."""
    for name in ("nipype", "nipype.workflow", "nipype.interface", "nipype.utils"):
        logging.getLogger(name).setLevel(level)


def work(connection: Connection, node: Any, updatehash: bool, cwd: str, level: int) -> None:
    """Run one node in a worker; send its traceback, or None."""
    quiet_nipype(level)
    _die_with_parent()
    _forget_secrets()
    os.chdir(cwd)
    traceback = None
    try:
        node.run(updatehash=updatehash)
    except BaseException:
        traceback = format_exception(*sys.exc_info())
    connection.send(traceback)
    connection.close()


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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
