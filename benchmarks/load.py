"""What a run costs in a cohort of any size: ``python -m benchmarks.load``.

A cohort of tiny runs is one drawn run under many names, so that what is measured is not the pass
over the data but all around it. Each command runs under ``ulimit -n 256``, in today's tree and, if
asked, in that of an older commit. Times are processor time.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, adopt_orphans, environment, wait_for_orphans
from benchmarks.trees import unpacked

SIZES = (16, 200, 2000)
OPEN_FILES = 256
FLAT = 1.2
"""Scheduling a run takes at most so many times what it takes in the smallest cohort."""
PLAN_MS = 15.0
"""Indexing and planning a run take at most so long."""
PARENT_MB = 250.0
NO_OP = 10.0
"""A run that is done already takes at most this part of the work."""

_COMMAND = """
import resource, sys, time
from bidsmask.cli.main import main
from bidsmask.workflows import participant
carry_out, took = participant.run_participants, [0.0]

def timed(*arguments, **named):
    began = time.process_time()
    try:
        return carry_out(*arguments, **named)
    finally:
        took[0] = time.process_time() - began

participant.run_participants = timed
exit_code = main(sys.argv[1:])
own = resource.getrusage(resource.RUSAGE_SELF)
print("took", exit_code, took[0], time.process_time(), own.ru_maxrss / 1024)
"""


@dataclass(frozen=True, kw_only=True)
class Took:
    """What a command took: its main process, and all of its processes together.

    `carried_out_s` is the part of the main process from the plan to the last report.
    """

    exit_code: int
    carried_out_s: float
    main_s: float
    all_s: float
    main_mb: float


def main() -> None:
    """Measure cohorts of each size, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=SIZES)
    parser.add_argument("--defective", type=float, default=0.1, help="share of the runs")
    parser.add_argument("--against", metavar="COMMIT", help="an older commit, measured in turn")
    home = Path(tempfile.gettempdir()) / "bidsmask-load"
    parser.add_argument("--inputs", type=Path, default=home)
    options = parser.parse_args()
    options.inputs = options.inputs.absolute()
    trees = {"today": ROOT}
    if options.against:
        trees[options.against] = unpacked(options.against, options.inputs / "trees")
    rows = []
    for n_runs in options.runs:
        cohort = options.inputs / f"cohort-{n_runs}-{options.defective:g}"
        defective = write_cohort(cohort, n_runs, options.defective)
        for name, tree in trees.items():
            row = {"tree": name, "n_runs": n_runs} | measure(cohort, n_runs, defective, tree)
            rows.append(row)
            sys.stderr.write(json.dumps(row) + "\n")
    sys.stdout.write(_table(rows))


def write_cohort(folder: Path, n_runs: int, share: float) -> list[str]:
    """Write a dataset of so many subjects of one run; give those whose run has a defect."""
    labels = [f"{number:04d}" for number in range(1, n_runs + 1)]
    defective = labels[4 :: round(1 / share)] if share else []
    if folder.exists():
        return defective
    subprocess.run([sys.executable, "-c", _DRAW, str(folder)], env=environment(ROOT), check=True)
    first = folder / "fmriprep" / f"sub-{labels[0]}"
    for label in labels[1:]:
        for file in (first / "func").iterdir():
            copy = Path(str(file).replace(f"sub-{labels[0]}", f"sub-{label}"))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    for number, label in enumerate(defective):
        DEFECTS[number % len(DEFECTS)](folder / "fmriprep" / f"sub-{label}" / "func")
    return defective


_DRAW = """
import sys
from pathlib import Path
from bidsmask.demo import RunPlan, cubic_grid, write_dataset
grid = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
write_dataset(Path(sys.argv[1]), [RunPlan(subject="0001", n_volumes=40)], seed=0, grid=grid)
"""


def _lose_confounds(func: Path) -> None:
    next(func.glob("*_timeseries.tsv")).unlink()


def _cut_bold(func: Path) -> None:
    bold = next(func.glob("*_bold.nii.gz"))
    bold.write_bytes(bold.read_bytes()[: bold.stat().st_size // 2])


def _break_sidecar(func: Path) -> None:
    next(func.glob("*_bold.json")).write_text('{"RepetitionTime": ')


def _empty_mask(func: Path) -> None:
    next(func.glob("*_mask.nii.gz")).write_bytes(b"")


DEFECTS = (_lose_confounds, _cut_bold, _break_sidecar, _empty_mask)


def measure(cohort: Path, n_runs: int, defective: list[str], tree: Path) -> dict[str, Any]:
    """Measure a dry run of one subject and of all, the work, and the same command again."""
    out = cohort / "out"
    shutil.rmtree(out, ignore_errors=True)
    atlas = next(cohort.glob("atlas/*_dseg.nii.gz"))
    words = [str(cohort / "fmriprep"), str(out), "participant", "--atlases", str(atlas)]
    words += ["--strategies", "simple"]
    start = took([*words, "--dry-run", "--participant-label", "0001"], tree)
    plan = took([*words, "--dry-run"], tree)
    work = took(words, tree)
    failed = _failed(out)
    again = took(words, tree)
    shutil.rmtree(out, ignore_errors=True)
    return {
        "exit_code": work.exit_code,
        "exactly_those_fail": failed == {f"sub-{label}" for label in defective},
        "plan_ms": 1e3 * (plan.main_s - start.main_s) / (n_runs - 1),
        "schedule_ms": 1e3 * work.carried_out_s / n_runs,
        "work_ms": 1e3 * work.all_s / n_runs,
        "again_ms": 1e3 * again.all_s / n_runs,
        "main_mb": work.main_mb,
        "all": [asdict(each) for each in (start, plan, work, again)],
    }


def took(words: list[str], tree: Path) -> Took:
    """Run a command with few open files, and read what it took."""
    python = [sys.executable, "-c", _COMMAND, *words]
    adopt_orphans()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["bash", "-c", f'ulimit -n {OPEN_FILES} && exec "$@"', "-", *python],
        cwd=tree,  # which comes first among the places that modules are imported from
        env=environment(tree),
        capture_output=True,
        text=True,
        check=False,
    )
    wait_for_orphans()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = [line for line in done.stdout.splitlines() if line.startswith("took ")]
    if not said:
        raise RuntimeError(f"The command did not end as it should:\n{done.stderr[-3000:]}")
    _, exit_code, carried_out_s, main_s, main_mb = said[-1].split()
    return Took(
        exit_code=int(exit_code),
        carried_out_s=float(carried_out_s),
        main_s=float(main_s),
        all_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        main_mb=float(main_mb),
    )


def _failed(out: Path) -> set[str]:
    status = out / "logs" / "status.tsv"
    if not status.exists():  # it could not start
        return set()
    rows = [line.split("\t") for line in status.read_text().splitlines()[1:]]
    return {row[0].split("_")[0] for row in rows if row[1] != "done"}


def _table(rows: list[dict[str, Any]]) -> str:
    """Give the results as Markdown, each beside what was promised."""
    header = (
        "| runs | tree | exit code | exactly the defective fail | index and plan, ms a run "
        f"(≤ {PLAN_MS:g}) | scheduling, ms a run (≤ {FLAT}× the first) | work, ms a run | again, "
        f"part of the work (≤ 1/{NO_OP:g}) | main process, MB (≤ {PARENT_MB:g}) |"
    )
    first = {row["tree"]: row["schedule_ms"] for row in reversed(rows)}
    lines = [
        f"| {row['n_runs']} | {row['tree']} | {row['exit_code']} | "
        f"{'yes' if row['exactly_those_fail'] else '**no**'} | {row['plan_ms']:.1f} | "
        f"{row['schedule_ms']:.1f} ({row['schedule_ms'] / first[row['tree']]:.2f}×) | "
        f"{row['work_ms']:.0f} | 1/{row['work_ms'] / row['again_ms']:.0f} | "
        f"{row['main_mb']:.0f} |"
        for row in rows
    ]
    return "\n".join([header, "|" + " --- |" * 9, *lines]) + "\n"


if __name__ == "__main__":
    main()
