"""What the libraries need of the process, set before the first of them is imported.

In a container the home folder is often ``/``, missing or read-only, there may be no writable
``/tmp``, and the user may have no name. pybids, templateflow, matplotlib and multiprocessing each
stumble over one of these, so each gets a place under the work folder where the usual one is of no
use. What is of use stays as it is.
"""

from __future__ import annotations

import atexit
import os
import pwd
import re
import shutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from bidsmask.errors import OutputError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ONE_KERNEL_FOR_ALL = "Haswell"
"""OpenBLAS sums in another order on each family of processors: the last digits of a result would
depend on the node that a job lands on. This kernel runs on all that know AVX2."""

_FOLDERS_IN_HOME = {
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "MPLCONFIGDIR": ".cache/matplotlib",
}
_USUAL_TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/usr/tmp")  # those of Python's tempfile

_CPU_INFO = Path("/proc/cpuinfo")
_SOCKET_NAME_LENGTH = 107
"""Longest name of a Unix socket on Linux; multiprocessing puts one into the temporary folder."""

_NAME_IN_TEMPORARY_FOLDER = len("/pymp-xxxxxxxx/listener-xxxxxxxx")


def prepare(
    scratch: Path, *, threads: int = 1, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Limit threads, fix the kernel, silence nipype's call home, give caches a place to live.

    Parameters
    ----------
    scratch : Path
        Folder for caches and temporary files where the usual ones cannot be used; made when it
        is needed.
    threads : int
        Threads per process; parallelism comes from processes.
    environ : mapping
        The environment to change.

    Raises
    ------
    OutputError
        If there is no folder at all for temporary files.
    """
    for name in _THREAD_VARIABLES:
        environ[name] = str(threads)
    if _knows_avx2():
        environ.setdefault("OPENBLAS_CORETYPE", _ONE_KERNEL_FOR_ALL)
    environ["NO_ET"] = environ["NIPYPE_NO_ET"] = "1"
    environ.setdefault("LOGNAME", _user_name())  # nipype's SLURM plugin asks for it
    _prepare_home(scratch / "home", environ)
    _prepare_temporary_folder(scratch, environ)


def _prepare_home(substitute: Path, environ: MutableMapping[str, str]) -> None:
    """Move away from a home that cannot be written to, and from caches that cannot."""
    home = environ.get("HOME", "")
    if not home or home == "/" or not _is_writable(Path(home)):
        _keep_templates_of(home, environ)
        environ["HOME"] = str(substitute)
    for name, folder in _FOLDERS_IN_HOME.items():
        if environ["HOME"] == str(substitute) or not _can_be_made(environ.get(name)):
            environ[name] = str(Path(environ["HOME"]) / folder)


def _keep_templates_of(home: str, environ: MutableMapping[str, str]) -> None:
    """A home that cannot be written to may still hold atlases that can be read."""
    cache = environ.get("XDG_CACHE_HOME") or f"{home}/.cache"
    templates = Path(cache) / "templateflow"
    if "TEMPLATEFLOW_HOME" not in environ and os.access(templates, os.R_OK | os.X_OK):
        environ["TEMPLATEFLOW_HOME"] = str(templates)


def _prepare_temporary_folder(scratch: Path, environ: MutableMapping[str, str]) -> None:
    """Choose the first folder that can be used, and say so in ``TMPDIR``."""
    for folder in _temporary_folders(environ):
        if _is_writable(folder) and _has_room_for_a_socket(folder):
            environ["TMPDIR"] = str(folder)
            return
    folder = _make_temporary_folder(scratch)
    environ["TMPDIR"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _temporary_folders(environ: MutableMapping[str, str]) -> Iterator[Path]:
    names = [environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    yield from (Path(name) for name in (*names, *_USUAL_TEMPORARY_FOLDERS) if name)


def _make_temporary_folder(scratch: Path) -> Path:
    """Make a folder for this process beside the work folder, which may be emptied meanwhile.

    In the work folder if there is no room beside it, in memory if its name is too long.
    """
    from tempfile import mkdtemp

    place = scratch.parent if _can_be_made(str(scratch.parent)) else scratch
    if not _has_room_for_a_socket(place / "tmp-xxxxxxxx"):
        place = Path("/dev/shm")
    try:
        place.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix="tmp-", dir=place))
    except OSError as error:
        raise OutputError(
            f"{place}: no folder for temporary files can be made there ({error.strerror}). Choose "
            "another work folder with -w, with a short name, or set TMPDIR to a writable folder."
        ) from error


def _has_room_for_a_socket(folder: Path) -> bool:
    length = len(os.fsencode(folder.absolute())) + _NAME_IN_TEMPORARY_FOLDER
    return length <= _SOCKET_NAME_LENGTH


def _can_be_made(name: str | None) -> bool:
    """Whether a folder is there and writable, or could be made; True if it was not asked for."""
    if not name:
        return True
    path = Path(name).absolute()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return _is_writable(existing)


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _knows_avx2() -> bool:
    try:
        return re.search(r"^flags\b.*\bavx2\b", _CPU_INFO.read_text(), re.MULTILINE) is not None
    except OSError:  # not Linux
        return False


def _user_name() -> str:
    """Give the user's name; a number if there is none, as in a container under any uid."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
