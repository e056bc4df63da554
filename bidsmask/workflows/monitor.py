"""What each step took: seconds, and memory at the peak of its process.

A step leaves it in its own folder in any case, which costs next to nothing and changes no result;
``--resource-monitor`` gathers it into one table.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from nipype.interfaces.base import SimpleInterface

from bidsmask.derivatives.writing import write_table

_FILE = "resources.json"
_STATUS = Path("/proc/self/status")
_FORGET_PEAK = Path("/proc/self/clear_refs")
_BYTES_PER_MB = 1e6


class Step(SimpleInterface):
    """An interface that notes what it took."""

    def _pre_run_hook(self, runtime: Any) -> Any:
        """Forget the environment: nipype would save all of it beside the result."""
        runtime.environ = {}
        return runtime

    def run(self, cwd: str | None = None, **arguments: Any) -> Any:
        """Run in a folder, and leave `_FILE` there."""
        with suppress(OSError):  # no such file, or not ours to write: the peak of all steps so far
            _FORGET_PEAK.write_text("5")
        started, cpu_started = time.perf_counter(), time.process_time()
        result = super().run(cwd=cwd, **arguments)
        took = {
            "seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu_started,
            "peak_memory_mb": peak_memory_mb(),
        }
        (Path(cwd or ".") / _FILE).write_text(json.dumps(took), encoding="utf-8")
        return result


def peak_memory_mb() -> float:
    """Most memory that this process has held, in MB (1e6 bytes); what is shared counts too.

    On Linux since the peak was last forgotten, elsewhere since the process began.
    """
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024 / _BYTES_PER_MB
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / _BYTES_PER_MB


def read_resources(runs: Iterable[tuple[str, Path]], *, since: float) -> list[dict[str, Any]]:
    """Read what each step of some runs took, in the order in which they ended.

    Parameters
    ----------
    runs : iterable of (name of the run, folder of its workflow)
    since : float
        When the command began, in seconds as `time.time` has them: steps that are older were
        taken from an earlier one, and say what they took then.

    Returns
    -------
    rows : list of dict
        With run, step, status (computed | reused), seconds, cpu_seconds and peak_memory_mb.
    """
    return [
        {
            "run": name,
            "step": file.parent.name,
            "status": "computed" if file.stat().st_mtime >= since else "reused",
            **_took(file),
        }
        for name, folder in runs
        for file in sorted(folder.glob(f"*/{_FILE}"), key=lambda file: file.stat().st_mtime)
    ]


def _took(file: Path) -> dict[str, Any]:
    """Read what a step took; nothing if the file was damaged."""
    try:
        return dict(json.loads(file.read_bytes()))
    except ValueError:
        return {}


def write_resources(folder: Path, rows: Sequence[dict[str, Any]], *, within: Path) -> None:
    """Write what `read_resources` has read as ``resources.tsv`` in a folder of a dataset."""
    columns = ["run", "step", "status", "seconds", "cpu_seconds", "peak_memory_mb"]
    write_table(folder / "resources.tsv", pd.DataFrame(rows, columns=columns), within=within)
