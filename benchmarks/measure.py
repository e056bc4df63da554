"""Fresh processes, and what they take. Imports nothing heavy.

The peak of a process counts that of the one it was started from, so this one stays small.
"""

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SAMPLING_S = 0.05
_NEVER_COMPILED = "PYTHONDONTWRITEBYTECODE"
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one process took, from its start until it had its result.

    Parameters
    ----------
    wall_s, processor_s : float
        Children included.
    peak_mb : float
    """

    wall_s: float
    processor_s: float
    peak_mb: float


def child(
    role: str, folder: Path, name: str, tool: str, *, quick: bool, tree: Path = ROOT
) -> dict[str, Any]:
    """Run `benchmarks.child` of a tree in a fresh process.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails; what it had to say has been shown.
    """
    arguments = [role, str(folder), name, tool, "quick" if quick else "full"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.child", *arguments],
        cwd=tree,
        env=environment(tree),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measured(folder: Path, name: str, tool: str, *, quick: bool, tree: Path = ROOT) -> Measurement:
    """Measure one piece of work with one tool."""
    started = time.time()
    took = child("work", folder, name, tool, quick=quick, tree=tree)
    return Measurement(
        wall_s=took["ready"] - started,
        processor_s=took["processor_s"],
        peak_mb=took["peak_mb"],
    )


def timed_command(command: list[str], tree: Path = ROOT) -> tuple[float, float]:
    """Wall and processor time of a whole command, all of its processes together (Linux).

    Nobody looks at it meanwhile: on two cores, looking takes time from what is looked at.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.time()
    _run(command, tree)
    wall_s = time.time() - started
    wait_for_orphans()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak_mb_of_command(command: list[str], tree: Path = ROOT) -> float:
    """Most memory that a whole command ever has, all of its processes together (Linux).

    The proportional set size: pages that several processes share are counted once.
    """
    watch = _Watch(os.getpid())
    watch.start()
    try:
        _run(command, tree)
    finally:
        watch.stop()
    wait_for_orphans()
    return watch.peak_mb


def _run(command: list[str], tree: Path) -> None:
    adopt_orphans()
    done = subprocess.run(
        command,
        cwd=tree,
        env=environment(tree),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        done.check_returncode()


def environment(tree: Path) -> dict[str, str]:
    """Give that of a process that imports bidsmask from a tree, and the benchmarks from today's.

    It is compiled once, as installed packages are.
    """
    kept = {name: value for name, value in os.environ.items() if name != _NEVER_COMPILED}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, (tree, ROOT)))}


def adopt_orphans() -> None:
    """Let what a process leaves running be ours, and its time too."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def wait_for_orphans() -> None:
    """Wait until everything that was started has ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


class _Watch(threading.Thread):
    """Looks at the descendants of a process all the time."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak_mb = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(SAMPLING_S):
            descendants = _family(self.pid)[1:]
            self.peak_mb = max(self.peak_mb, sum(map(_shared_fairly_mb, descendants)))

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def _family(pid: int) -> list[int]:
    """Find a process and all its descendants."""
    found, new = [], [pid]
    while new:
        found += new
        new = [each for parent in new for each in _children(parent)]
    return found


def _children(pid: int) -> list[int]:
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended meanwhile
        return []
    return [int(each) for text in lists for each in text.split()]


def _shared_fairly_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
