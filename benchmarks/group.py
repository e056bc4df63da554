"""The group level against the script that people write: ``python -m benchmarks.group``.

Both read the same finished outputs: tables of quality and coverage, time series and matrices of
two strategies. The script concatenates the tables, stacks the arrays, and averages Fisher's z. A
few contents are made and linked under the names of all runs, so that a thousand participants fit
a disk; they are read as often as if they were all different.

The command does more than the script: it measures how well strategies have cleaned, and writes a
page. So it is measured twice, once without these two.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.measure import ROOT, environment

SPACE, ATLAS, STRATEGIES = "MNI152NLin2009cAsym", "Schaefer2018", ("24P", "simple")
N_CONTENTS = 6
T_R = 2.0
ROLES = {
    "script": "script",
    "stacks": "tables, stacks, means",
    "command": "whole command",
}


def main() -> None:
    """Measure one after the other, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.group", description=__doc__)
    parser.add_argument("--subjects", type=int, default=1000)
    parser.add_argument("--regions", type=int, default=400)
    parser.add_argument("--volumes", type=int, default=240)
    parser.add_argument("--role", choices=("make", *ROLES), help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="+", choices=ROLES, default=[*ROLES])
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    options = parser.parse_args()
    if options.role:
        print(json.dumps(_measured(options)))  # noqa: T201
        return
    with tempfile.TemporaryDirectory() as temporary:
        options.folder = options.folder or Path(temporary)
        took = {role: _child(role, options) for role in ("make", *options.only)}
    _say(options, took)


def _child(role: str, options: argparse.Namespace) -> dict[str, float]:
    sizes = [f"--{name}={getattr(options, name)}" for name in ("subjects", "regions", "volumes")]
    command = [sys.executable, "-m", "benchmarks.group", "--role", role, *sizes]
    done = subprocess.run(
        [*command, f"--folder={options.folder}"],
        cwd=ROOT, env=environment(ROOT), check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _measured(options: argparse.Namespace) -> dict[str, float]:
    started = time.perf_counter()
    if options.role == "make":
        make(options)
    elif options.role == "script":
        script(options.folder / "out")
    elif options.role == "stacks":
        stacks(options.folder)
    else:
        group(options.folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall_s": time.perf_counter() - started,
        "processor_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
    }


def _say(options: argparse.Namespace, took: dict[str, dict[str, float]]) -> None:
    roles = [role for role in ROLES if role in took]
    lines = [
        f"{options.subjects} participants × 2 runs × {options.regions} regions × "
        f"{len(STRATEGIES)} strategies, {options.volumes} volumes",
        "",
        f"| | {' | '.join(ROLES[role] for role in roles)} |",
        f"| --- |{' ---: |' * len(roles)}",
        *(
            f"| {name} | {' | '.join(_cell(took, role, name) for role in roles)} |"
            for name in ("wall_s", "processor_s", "peak_mb")
        ),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _cell(took: dict[str, dict[str, float]], role: str, name: str) -> str:
    value = took[role][name]
    if role == "script" or "script" not in took:
        return f"{value:.1f}"
    return f"{value:.1f} ({took['script'][name] / value:.1f}×)"


def group(folder: Path) -> None:
    """Run the group level."""
    from bidsmask.cli.main import main as bidsmask

    if bidsmask([str(folder / "in"), str(folder / "out"), "group"]):
        raise RuntimeError("The group level has failed.")


def stacks(folder: Path) -> None:
    """Run the group level without its benchmarks, and without its page."""
    import pandas as pd

    from bidsmask.analysis.group import level
    from bidsmask.analysis.group.benchmark_outputs import Benchmarks

    nothing = Benchmarks(files=(), table=pd.DataFrame(), recommendations=(), pictures=())
    with (
        patch.object(level, "write_benchmarks", return_value=nothing),
        patch.object(level, "group_page"),
        patch.object(level, "write_page", return_value="group_qc.tsv"),
    ):
        group(folder)


def script(out: Path) -> None:
    """Do with pandas and numpy what the group level does."""
    import numpy as np
    import pandas as pd

    for ending in ("desc-bidsmask_qc", "stat-coverage_bold"):
        files = sorted(out.glob(f"sub-*/func/*_{ending}.tsv"))
        tables = [
            pd.read_csv(file, sep="\t", na_values="n/a").assign(run=file.name) for file in files
        ]
        pd.concat(tables).to_csv(out / f"script_{ending}.tsv", sep="\t", index=False)
    for strategy in STRATEGIES:
        files = sorted(out.glob(f"sub-*/func/*_desc-{strategy}_timeseries.tsv"))
        series = [pd.read_csv(file, sep="\t", na_values="n/a").to_numpy() for file in files]
        np.save(out / f"script_{strategy}_series.npy", np.stack(series))
        del series
        files = sorted(out.glob(f"sub-*/func/*_desc-{strategy}_relmat.tsv"))
        matrices = [
            pd.read_csv(file, sep="\t", index_col="Node", na_values="n/a").to_numpy()
            for file in files
        ]
        stack = np.stack(matrices)
        np.save(out / f"script_{strategy}_matrices.npy", stack)
        with np.errstate(divide="ignore"):
            z = np.arctanh(stack)
        owners = [file.name.split("_")[0] for file in files]
        people = [z[[each == one for each in owners]].mean(axis=0) for one in sorted(set(owners))]
        np.save(
            out / f"script_{strategy}_mean.npy", [np.mean(people, axis=0), np.std(people, axis=0)]
        )


def make(options: argparse.Namespace) -> None:
    """Write finished outputs: a few contents, linked under all names."""
    contents = _Contents(options)
    (options.folder / "in").mkdir(parents=True)
    for number in range(options.subjects):
        for run in (1, 2):
            contents.write_run(f"sub-{number + 1:04}", run, (2 * number + run) % N_CONTENTS)


class _Contents:
    """Tables of some runs, and their records under whatever name."""

    def __init__(self, options: argparse.Namespace) -> None:
        import numpy as np
        import pandas as pd

        from bidsmask.derivatives import tables
        from bidsmask.derivatives.writing import sha256, write_json, write_table

        self.out, self.options = options.folder / "out", options
        self.known: list[dict[str, tuple[Path, str]]] = []
        names = [
            f"7Networks_LH_{('Vis', 'Default', 'Cont')[n % 3]}_{n}" for n in range(options.regions)
        ]
        source = f"space-{SPACE}_atlas-{ATLAS}"
        for content in range(N_CONTENTS):
            rng = np.random.default_rng(content)
            found: dict[str, Any] = {
                f"space-{SPACE}_desc-bidsmask_qc": _quality(),
                f"{source}_stat-coverage_bold": _coverage(names),
                f"{source}_dseg": pd.DataFrame({"index": range(1, len(names) + 1), "name": names}),
            }
            for strategy in STRATEGIES:
                signals = rng.normal(size=(options.volumes, options.regions))
                signals += rng.normal(size=(options.volumes, 1))
                key = f"{source}_stat-{{}}_desc-{strategy}"
                found[f"{key.format('mean')}_timeseries"] = tables.time_series(signals, names)
                matrix = tables.matrix(np.corrcoef(signals.T), names)
                found[f"{key.format('pearsoncorrelation')}_relmat"] = matrix
            self.known.append({})
            for name, table in found.items():
                path = options.folder / "contents" / str(content) / f"{name}.tsv"
                write_table(path, table)
                write_json(path.with_suffix(".json"), {"Description": name})
                for file in (path, path.with_suffix(".json")):
                    self.known[-1][file.name] = file, sha256(file)

    def write_run(self, subject: str, run: int, content: int) -> None:
        """Link the tables, and write a record."""
        from bidsmask._version import __version__
        from bidsmask.derivatives.record import (
            BOLD,
            RunRecord,
            Source,
            SourceFile,
            record_of,
            write_record,
        )

        name = f"{subject}_task-rest_run-{run}"
        folder = self.out / subject / "func"
        folder.mkdir(parents=True, exist_ok=True)
        outputs = {}
        for ending, (path, known) in self.known[content].items():
            os.link(path, folder / f"{name}_{ending}")
            outputs[f"{subject}/func/{name}_{ending}"] = known
        bold = SourceFile(uri="bids:preprocessed:bold.nii.gz", fingerprint="0")
        record = RunRecord(
            run=f"{name}_space-{SPACE}",
            version=__version__,
            digest="0",
            source=Source(dataset="../in", files={BOLD: bold}),
            settings={"t_r": str(T_R), "n_volumes": str(self.options.volumes)},
            outputs=outputs,
        )
        write_record(record, record_of(record.run), self.out)


def _quality() -> Any:
    import pandas as pd

    from bidsmask.derivatives.quality import QUALITY_COLUMNS

    row = dict.fromkeys(QUALITY_COLUMNS, 1.5) | {"verdict": "good", "status": "ok"}
    row |= {name: 200 for name in row if name.startswith("n_")}
    return pd.DataFrame([row | {"strategy": strategy} for strategy in STRATEGIES])


def _coverage(names: list[str]) -> Any:
    import pandas as pd

    rows = {"Node": names, "index": range(1, len(names) + 1), "n_voxels": 250, "n_covered": 250}
    return pd.DataFrame(rows | {"coverage": 1.0, "status": "ok", "reason": "n/a"})


if __name__ == "__main__":
    main()
