"""One piece of a command, done with the bidsmask of whatever tree ``PYTHONPATH`` names.

``python pieces.py`` writes tables, and answers with one line of JSON.
"""

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

HOMES = ("bidsmask.derivatives.writing", "bidsmask.dataset.writing")
"""Where tables are written, now and formerly."""

N_VOLUMES, N_REGIONS, REPEATS = 300, 400, 10


def main() -> None:
    """Write the tables again and again."""
    write_table, tables = _writer(), _tables()
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.tsv" for name in tables}
        started = time.process_time()
        for _ in range(REPEATS):
            for name, table in tables.items():
                paths[name].unlink(missing_ok=True)
                write_table(paths[name], table)
        took = (time.process_time() - started) / REPEATS
        content = b"".join(path.read_bytes() for path in paths.values())
    answer = {"processor_s": took, "sha256": hashlib.sha256(content).hexdigest()}
    sys.stdout.write(json.dumps(answer) + "\n")


def _writer() -> Callable[[Path, pd.DataFrame], None]:
    for home in HOMES:
        try:
            found: Callable[[Path, pd.DataFrame], None] = import_module(home).write_table
            return found
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"None of {', '.join(HOMES)} is there.")


def _tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    names = [f"region{number:03d}" for number in range(N_REGIONS)]
    signals = rng.normal(size=(N_VOLUMES, N_REGIONS)).astype(np.float32)
    matrix = pd.DataFrame(np.corrcoef(signals.T).astype(np.float32), columns=names)
    matrix.insert(0, "Node", names)
    return {"timeseries": pd.DataFrame(signals, columns=names), "relmat": matrix}


if __name__ == "__main__":
    main()
