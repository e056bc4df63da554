"""What the libraries need of the process, set before the first of them is imported."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare(
    scratch: Path, *, threads: int = 1, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Limit threads, silence nipype's call home, and give caches a place to live.

    Parameters
    ----------
    scratch : Path
        Folder for caches where the home folder cannot be used; made when it is needed.
    threads : int
        Threads per process; parallelism comes from processes.
    environ : mapping
        The environment to change.
    """
    for name in _THREAD_VARIABLES:
        environ[name] = str(threads)
    environ["NO_ET"] = environ["NIPYPE_NO_ET"] = "1"
    if not _home_is_usable(environ):
        home = scratch / "home"
        home.mkdir(parents=True, exist_ok=True)
        environ["HOME"] = str(home)
        environ.setdefault("MPLCONFIGDIR", str(home / "matplotlib"))
        environ.setdefault("XDG_CACHE_HOME", str(home / ".cache"))


def _home_is_usable(environ: MutableMapping[str, str]) -> bool:
    home = environ.get("HOME", "")
    return bool(home) and home != "/" and os.access(home, os.W_OK | os.X_OK)
