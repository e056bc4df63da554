"""The job scripts of ``descriptors/slurm`` do on a real Slurm what their comments say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bidsmask.demo import cubic_grid

ROOT = Path(__file__).parents[2]
COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
SCRIPTS = ROOT / "descriptors" / "slurm"
SMALL = ("--cpus-per-task=1", "--mem=1500")
SUBJECTS = tuple(f"{number:02d}" for number in range(1, 9))
FAILING, SLOW = "03", "05"

# Stops every process of bidsmask in the midst of its work, as a node that hangs does.
HANG_ONCE = """#!/bin/bash
case "$*" in *"--participant-label {slow} "*) ;; *) exec {bidsmask} "$@" ;; esac
[ -e {marker} ] && exec {bidsmask} "$@"
{bidsmask} "$@" &
until [ -n "$(find {work} -name 'sub_*_wf' 2>/dev/null)" ]; do sleep 0.01; done
touch {marker}
kill -STOP $! $(ps -o pid= --ppid $!)
wait
"""


@pytest.fixture(scope="module")
def bidsmask():
    return str(Path(sys.executable).with_name("bidsmask"))


@pytest.fixture(scope="module")
def study(tmp_path_factory, make_dataset):
    """Eight participants, one of whom has lost the confounds."""
    root = tmp_path_factory.mktemp("study")
    dataset = make_dataset(root / "in", subjects=SUBJECTS, volumes=80)
    (root / "subjects.txt").write_text("".join(f"sub-{label}\n" for label in SUBJECTS))
    for path in (dataset.root / f"sub-{FAILING}").rglob("*_timeseries.tsv"):
        path.unlink()
    return root, dataset


@pytest.fixture(scope="module")
def array(slurm, study, bidsmask):
    """The array, the group job, and a second submission of the task that ran out of time."""
    root, dataset = study
    hang = root / "bidsmask-that-hangs-once"
    marker, work = root / "hung", root / "work" / f"sub-{SLOW}"
    hang.write_text(
        HANG_ONCE.format(slow=f"sub-{SLOW}", bidsmask=bidsmask, marker=marker, work=work)
    )
    hang.chmod(0o755)
    environ = {
        **os.environ,
        "FMRIPREP": str(dataset.root),
        "OUTPUT": str(root / "out"),
        "WORK": str(root / "work"),
        "OPTIONS": f"--atlases {dataset.atlas} --strategies none simple",
        "BIDSMASK": str(hang),
    }

    def submit(*words):
        return slurm.submit(*SMALL, *words, cwd=root, environ=environ)

    first = submit("--time=1", "--array=1-8", str(SCRIPTS / "participants.sbatch"))
    group = submit(f"--dependency=afterany:{first}", str(SCRIPTS / "group.sbatch"))
    states = slurm.wait(first), slurm.wait(group)
    half = shutil.copytree(root / "out", root / "half")
    second = submit("--array=5", str(SCRIPTS / "participants.sbatch"))
    last_group = submit(f"--dependency=afterany:{second}", str(SCRIPTS / "group.sbatch"))
    again = slurm.wait(second), slurm.wait(last_group)
    return {"root": root, "half": half, "first": states, "second": again}


def outputs(folder):
    """What two ways to compute the same must have in common."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {
        name: text for name, text in names.items() if not name.startswith((".bidsmask", "logs"))
    }


def test_a_task_that_fails_and_one_that_runs_out_of_time_cost_their_participants_alone(array):
    states, _ = array["first"]
    assert states.pop("3") == "FAILED"
    assert states.pop("5") == "TIMEOUT"
    assert set(states.values()) == {"COMPLETED"}
    assert len(states) == 6


def test_the_group_job_runs_after_all_of_them(array):
    assert set(array["first"][1].values()) == {"COMPLETED"}
    table = (array["half"] / "group_qc.tsv").read_text()
    done = {line.partition("\t")[0] for line in table.splitlines()[1:]}
    assert done == {f"sub-{label}" for label in SUBJECTS} - {f"sub-{FAILING}", f"sub-{SLOW}"}


def test_a_task_that_was_stopped_leaves_nothing_half_written(array):
    for path in (array["half"] / f"sub-{SLOW}").rglob("*_complete.json"):
        pytest.fail(f"{path} says that the run is complete")
    assert not list((array["half"] / f"sub-{SLOW}").rglob("*.tmp*"))


def test_submitted_again_it_finishes_with_the_outputs_of_one_ordinary_run(array, study, bidsmask):
    assert [set(states.values()) for states in array["second"]] == [{"COMPLETED"}] * 2
    root, dataset = study
    plain = root / "plain"
    words = ["--atlases", str(dataset.atlas), "--strategies", "none", "simple"]
    for level in ("participant", "group"):
        subprocess.run(
            [bidsmask, dataset.root, plain, level, *words], capture_output=True, check=False
        )
    expected, found = outputs(plain), outputs(root / "out")
    assert sorted(found) == sorted(expected)
    # The methods text of a participant without any run depends on who else was asked for.
    differ = {name for name in found if found[name] != expected[name]}
    assert differ <= {f"sub-{FAILING}.html"}


def test_the_status_names_every_run_once(array):
    status = (array["root"] / "out" / "logs" / "status.tsv").read_text().splitlines()[1:]
    assert len(status) == len({line.split("\t")[0] for line in status}) == len(SUBJECTS)
    failed = [line for line in status if line.split("\t")[1] == "failed"]
    assert len(failed) == 1
    assert failed[0].startswith(f"sub-{FAILING}_")


def test_a_job_takes_the_cores_and_the_memory_it_was_given(slurm, tmp_path):
    code = (
        "from bidsmask.workflows.resources import *;"
        "print(available_cores(), available_memory_gb(), file=open('said', 'w'))"
    )
    job = slurm.submit(
        *SMALL, "--wrap", f'{sys.executable} -c "{code}"', cwd=tmp_path, environ=os.environ
    )
    assert set(slurm.wait(job).values()) == {"COMPLETED"}
    cores, memory_gb = (tmp_path / "said").read_text().split()
    assert int(cores) == 1
    assert float(memory_gb) == pytest.approx(0.9 * 1500 * 1024**2 / 1e9)


def test_a_task_may_have_several_participants(slurm, study, tmp_path):
    root, _ = study
    said = tmp_path / "said"
    environ = {
        **os.environ,
        "FMRIPREP": str(root),
        "OUTPUT": str(tmp_path / "out"),
        "WORK": str(tmp_path / "work"),
        "SUBJECTS": str(root / "subjects.txt"),
        "PER_TASK": "3",
        "BIDSMASK": f"eval echo >> {said}",
    }
    script = (SCRIPTS / "participants.sbatch").read_text().replace("exec $", "$")
    (tmp_path / "participants.sbatch").write_text(script)
    job = slurm.submit(*SMALL, "--array=1-4", "participants.sbatch", cwd=tmp_path, environ=environ)
    states = slurm.wait(job)
    assert states.pop("4") == "FAILED", "there are eight, for three tasks"
    assert set(states.values()) == {"COMPLETED"}
    asked = [line.split(" -w ")[0].split("--participant-label ")[1] for line in lines_of(said)]
    assert sorted(asked) == ["sub-01 sub-02 sub-03", "sub-04 sub-05 sub-06", "sub-07 sub-08"]


def lines_of(path):
    return path.read_text().splitlines()


def test_nipypes_slurm_plugin_gives_the_same_outputs_with_64_jobs_and_more(
    slurm, tmp_path, make_dataset, bidsmask
):
    """One job for each step of ten runs; at most eight of them are in the queue at once."""
    subjects = tuple(f"{number:02d}" for number in range(1, 11))
    dataset = make_dataset(tmp_path / "in", subjects=subjects, volumes=40, grid=COARSE)
    plugin = (ROOT / "descriptors" / "nipype" / "slurm.yaml").read_text()
    plugin = plugin.replace("--mem=2G", "--mem=700M").replace("max_jobs: 50", "max_jobs: 8")
    (tmp_path / "slurm.yaml").write_text(plugin)
    words = ["--atlases", str(dataset.atlas), "--strategies", "simple"]
    ways = {"plain": [], "slurm": ["--nipype-plugin-file", str(tmp_path / "slurm.yaml")]}
    before = slurm.last_job()
    for name, how in ways.items():
        done = subprocess.run(
            [bidsmask, dataset.root, tmp_path / name, "participant", *words, *how,
             "-w", tmp_path / "work" / name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert slurm.last_job() - before >= 64
    expected, found = outputs(tmp_path / "plain"), outputs(tmp_path / "slurm")
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


def test_a_step_that_fails_on_the_cluster_costs_its_run_alone(
    slurm, tmp_path, make_dataset, bidsmask
):
    dataset = make_dataset(tmp_path / "in", subjects=("01", "02"), volumes=40, grid=COARSE)
    (bold,) = (dataset.root / "sub-01").rglob("*_bold.nii.gz")
    bold.write_bytes(bold.read_bytes()[:-9])
    plugin = (ROOT / "descriptors" / "nipype" / "slurm.yaml").read_text()
    (tmp_path / "slurm.yaml").write_text(plugin.replace("--mem=2G", "--mem=700M"))
    done = subprocess.run(
        [bidsmask, dataset.root, tmp_path / "out", "participant", "--strategies", "simple",
         "--atlases", dataset.atlas, "--nipype-plugin-file", tmp_path / "slurm.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    rows = lines_of(tmp_path / "out" / "logs" / "status.tsv")[1:]
    assert [row.split("\t")[1] for row in rows] == ["failed", "done"]
    assert "ended before" in rows[0]
