"""Fresh processes, and what they take. Imports nothing heavy.

The peak of a process counts that of the one it was started from, so this one stays small.
"""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SAMPLING_S = 0.05


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


def child(role: str, folder: Path, name: str, tool: str, *, quick: bool) -> dict[str, Any]:
    """Run `benchmarks.child` in a fresh process.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails; what it had to say has been shown.
    """
    arguments = [role, str(folder), name, tool, "quick" if quick else "full"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.child", *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measured(folder: Path, name: str, tool: str, *, quick: bool) -> Measurement:
    """Measure one piece of work with one tool."""
    started = time.time()
    took = child("work", folder, name, tool, quick=quick)
    return Measurement(
        wall_s=took["ready"] - started,
        processor_s=took["processor_s"],
        peak_mb=took["peak_mb"],
    )


def measured_command(command: list[str]) -> Measurement:
    """Measure a whole command, all of its processes together (Linux).

    Memory is the proportional set size: pages that several processes share are counted once.
    Processor time is read while they live: their parents do not always wait for them.
    """
    started = time.time()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    watch = _Watch(process.pid)
    watch.start()
    errors = process.stderr.read() if process.stderr else ""
    status = process.wait()
    wall = time.time() - started
    watch.stop()
    if status:
        raise subprocess.CalledProcessError(status, command, stderr=errors)
    return Measurement(
        wall_s=wall, processor_s=sum(watch.processor_s.values()), peak_mb=watch.peak_mb
    )


class _Watch(threading.Thread):
    """Looks at a process and its descendants all the time."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak_mb = 0.0
        self.processor_s: dict[int, float] = {}
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(SAMPLING_S):
            family = _family(self.pid)
            self.peak_mb = max(self.peak_mb, sum(map(_shared_fairly_mb, family)))
            self.processor_s |= {pid: used for pid in family if (used := _processor_s(pid))}

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


def _processor_s(pid: int) -> float:
    """Time of a process and of none of its children; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
