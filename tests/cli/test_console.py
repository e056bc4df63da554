"""What somebody sees who looks on, and what stands in a file afterwards."""

import re
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from bidsmask.analysis.group.level import GroupSummary
from bidsmask.cli.console import say_group, say_summary, watched
from bidsmask.derivatives.status import RunFailure
from bidsmask.workflows.cohort import Summary
from bidsmask.workflows.progress import RunEnd

RUNS = [f"sub-{number:02d}_task-rest_space-MNI152NLin2009cAsym" for number in range(1, 5)]
PLAN = SimpleNamespace(
    runs=[SimpleNamespace(run=SimpleNamespace(name=name, warnings=("known",))) for name in RUNS]
)


@pytest.fixture(params=[False, True], ids=["file", "terminal"])
def console(request):
    return Console(
        file=StringIO(), force_terminal=request.param, width=80, highlight=False, soft_wrap=True
    )


def said_by(console, ends, *, steps=(), verbose=0):
    """What is said of some runs that end, without the colours."""
    with watched(console, PLAN, verbose=verbose) as watcher:
        for step in steps:
            watcher.step(*step)
        for end in ends:
            watcher.end(end)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def test_the_bar_shows_where_the_work_is_and_fits_one_line(console):
    steps = [(RUNS[0], "extract", "start"), (RUNS[1], "clean", "start")]
    lines = re.split(r"[\r\n]+", said_by(console, [], steps=steps))
    bars = [line for line in lines if line.strip()]
    assert all(len(line) <= 80 for line in bars)
    shown = any(
        "0/4" in bar and "sub-01_task-rest extract, sub-02_task-rest" in bar for bar in bars
    )
    assert shown is console.is_terminal


def test_a_run_that_is_well_has_a_line_in_a_file_alone(console):
    said = said_by(console, [RunEnd(run=RUNS[0], seconds=2.5)])
    line = rf"\d\d:\d\d:\d\d \[1 of 4, about \d+ s left\] done: {RUNS[0]} \(2\.5 s\)\n"
    assert bool(re.search(line, said)) is not console.is_terminal


def test_a_failure_and_what_is_lost_and_odd_is_said_everywhere_at_once(console):
    ends = [
        RunEnd(run=RUNS[0], seconds=1.0, failed_at="extract", reason="It is [truncated]."),
        RunEnd(run=RUNS[1], seconds=1.0, lost=("strategy 36P is n/a: no csf.",)),
        RunEnd(run=RUNS[2], seconds=None, warnings=("known", "new")),
    ]
    said = said_by(console, ends)
    assert f"failed: {RUNS[0]} at extract: It is [truncated].\n" in said
    assert f"in part: {RUNS[1]}: strategy 36P is n/a: no csf.\n" in said
    assert f"warning: {RUNS[2]}: new\n" in said
    assert "known" not in said


def test_what_many_runs_have_lost_is_explained_once(console):
    letter = "atlas A is n/a: It is not here. Fetch it:\n  python -c ..."
    said = said_by(console, [RunEnd(run=run, seconds=1.0, lost=(letter,)) for run in RUNS[:3]])
    assert f"in part: {RUNS[0]}: {' '.join(letter.split())}\n" in said
    for run in RUNS[1:3]:
        assert f"in part: {run}: atlas A is n/a (why, see above).\n" in said


@pytest.mark.parametrize(("n_runs", "n_lines"), [(3, 3), (4, 1)])
def test_many_failures_of_one_kind_are_one_line_at_the_end(console, tmp_path, n_runs, n_lines):
    failures = tuple(
        RunFailure(subject="01", run=run, node="derive", kind="StorageError", reason="full.")
        for run in RUNS[:n_runs]
    )
    log = tmp_path / "logs" / "now"
    say_summary(console, Summary(done=("x",), failures=failures, log=log))
    said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())
    lines = re.findall(r"^failed: (.*) at derive: full\.$", said, re.MULTILINE)
    assert len(lines) == n_lines
    assert lines[0].startswith(RUNS[0])
    assert f"1 of {n_runs + 1} runs done, {n_runs} failed" in said


def test_every_step_has_a_line_if_that_is_asked_for(console):
    said = said_by(console, [], steps=[(RUNS[0], "extract", "start")], verbose=1)
    assert f"start  {RUNS[0]}.extract\n" in said


def test_the_group_level_says_how_many_files_of_each_kind_and_which_matter(console, tmp_path):
    names = [
        *("group_qc.tsv", "group_excluded.tsv", "group_recommendation.tsv", "group.html"),
        *(f"group_space-S_atlas-{atlas}_stat-mean_desc-24P_timeseries.h5" for atlas in "AB"),
        "group_space-S_atlas-A_stat-tangent_desc-24P_relmat.h5",
    ]
    summary = GroupSummary(
        n_subjects=1, n_runs=1, strategies=("24P",), atlases=("space-S_atlas-A",), left_out=(),
        files=tuple(tmp_path / name for name in names), verdicts={"good": 1}, included={"24P": 1},
    )  # fmt: skip
    say_group(console, summary)
    said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())
    assert "1 run of 1 subject read" in said
    assert f"7 files written, and their sidecars, in {tmp_path}:" in said
    assert re.search(r"^ +2 group_\*_timeseries\.h5$", said, re.MULTILINE)
    assert re.search(r"^ +1 group_\*_relmat\.h5$", said, re.MULTILINE)
    first = said.partition("Look at these first:")[2].split()
    assert first[0] == str(tmp_path / "group.html")
    assert {Path(name).name for name in first} == set(names[:4])
