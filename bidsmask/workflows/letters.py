"""Why a node failed, in a letter: read from the traceback that is left of it.

Nodes run in other processes, perhaps on other machines, and what comes back is text. An error of
ours is a letter already. A disk that is full, memory that has run out or an intermediate result
that somebody has damaged are nobody's bug; all else is ours.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

from bidsmask.derivatives.writing import explain, is_storage_trouble
from bidsmask.errors import WorkerError
from bidsmask.workflows.worker import MORE_PROCESSES

_OURS = re.compile(
    r"^\s*bidsmask\.errors\.(\w+): (.*?)(?=\n\s*\n|\n\s*When creating|\Z)",
    re.MULTILINE | re.DOTALL,
)
_OF_SYSTEM = re.compile(
    r"^\s*[\w.]*(?:Error|Exception): \[Errno (?P<number>\d+)\] (?P<words>[^:\n]*)"
    r"(?:: (?P<quote>['\"])(?P<path>.*?)(?P=quote))?",
    re.MULTILINE,
)
_OTHERS = re.compile(
    r"^\s*(?P<kind>[\w.]*(?:Error|Exception|Interrupt|File|error))(?:: (?P<words>.*))?$",
    re.MULTILINE,
)
_WITHOUT_RESULT = re.compile(r"Job id \((?P<number>\d+)\) finished or terminated, but results")
_DAMAGED = ("BadZipFile", "BadGzipFile", "UnpicklingError", "EOFError", "zlib.error")
_AGAIN = "then run the same command again: it goes on from here."


def error_of_traceback(
    text: str, crash_file: Path | None = None, place: Path | None = None
) -> tuple[str, str]:
    r"""The kind of error that ended a traceback, and its message.

    Parameters
    ----------
    text : str
    crash_file : Path, optional
        Where all of it can be read.
    place : Path, optional
        The folder that the node has written to.

    Examples
    --------
    >>> error_of_traceback("...\nbidsmask.errors.ConfoundsError: no column.\n")
    ('ConfoundsError', 'no column.')
    """
    if ours := _OURS.findall(text):
        kind, message = ours[-1]
        return kind, " ".join(message.split())
    if letter := _of_system(text, place or Path("(work folder)")):
        return letter
    if job := _WITHOUT_RESULT.search(text):
        return WorkerError.__name__, (
            f"Job {job['number']} of the cluster ended and left no result. It was killed (memory? "
            "time?), or its node does not see the work folder: see batch in the work folder. Ask "
            "for more in the plugin file, " + _AGAIN
        )
    others = _OTHERS.findall(text)
    kind, words = others[-1] if others else ("UnknownError", "")
    if kind.endswith("MemoryError"):
        return WorkerError.__name__, (
            f"Not enough memory ({words.strip() or 'none was left'}). Lower --nprocs, or ask for "
            "more memory, " + _AGAIN
        )
    if "can't start new thread" in words:
        return WorkerError.__name__, f"No thread could be started. {MORE_PROCESSES}"
    if kind.endswith(_DAMAGED):
        return WorkerError.__name__, (
            f"An intermediate result in the work folder is damaged ({kind}: {words.strip()}). Run "
            "the same command with --clean-workdir: it makes them anew."
        )
    crash = crash_file.name if crash_file else "the crash file in logs"
    message = words.strip() or "No message was left."
    return kind, f"{message} This is a bug in bidsmask; please report {crash}."


def obituary(exit_code: int) -> str:
    """Say that a worker died twice, as the last line of a traceback."""
    how, why = f"exit code {exit_code}", ""
    if exit_code < 0:
        how = f"signal {signal.Signals(-exit_code).name}"
    if exit_code == -signal.SIGBUS:
        why = "That happens when the disk of the work folder is full: make room. "
    return (
        f"bidsmask.errors.{WorkerError.__name__}: The process that worked on this run died twice "
        f"({how}). {why}If the machine or the job ran out of memory, lower --nprocs or ask for "
        "more memory.\n"
    )


def _of_system(text: str, place: Path) -> tuple[str, str] | None:
    """Write the letter about what the operating system refused, if it was that."""
    found = _OF_SYSTEM.finditer(text)
    trouble = [each for each in found if is_storage_trouble(int(each["number"]))]
    if not trouble:
        return None
    each = trouble[0]
    path = Path(each["path"]) if each["path"] else place
    error = explain(path, OSError(int(each["number"]), each["words"]))
    return type(error).__name__, str(error)
