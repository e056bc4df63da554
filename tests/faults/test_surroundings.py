"""What surrounds a command: disks that are full, other jobs, other users, other machines."""

import os
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import bidsmask
from bidsmask.demo import cubic_grid

COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and change users")


def in_own_mounts(script, job, **variables):
    """Run a shell script where nobody else sees what it mounts."""
    environ = job.environ | {"OUT": str(job.out), "WORK": str(job.work), "PYTHON": sys.executable}
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "-", *job.words],
        env=environ | variables, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


FULL_DISK = """
mkdir -p $OUT $WORK
mount -t tmpfs -o size=$SIZE tmpfs $WHERE || exit 99
$PYTHON -m bidsmask "$@"; echo "first: $?"
mount -o remount,size=200m $WHERE
$PYTHON -m bidsmask "$@"; echo "second: $?"
cp -r $OUT $OUT-kept
"""


@needs_root
@pytest.mark.parametrize("where", ["out", "work"])
def test_a_disk_that_runs_full_is_named_and_once_there_is_room_all_is_there(
    again, undisturbed, often, where
):
    reference, _ = undisturbed
    for share in often((0.4,), (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)):
        job = again()
        shutil.rmtree(f"{job.out}-kept", ignore_errors=True)
        size = f"{int(share * {'out': 1400, 'work': 700}[where])}k"
        folder = {"out": job.out, "work": job.work}[where]
        done = in_own_mounts(FULL_DISK, job, WHERE=str(folder), SIZE=size)
        if done.returncode == 99:
            pytest.skip("nothing can be mounted here")
        assert "second: 0" in done.stdout, (size, done.stderr)
        assert "Traceback" not in done.stderr, (size, done.stderr)
        if "first: 0" not in done.stdout:
            assert "first: 74" in done.stdout or "first: 1" in done.stdout, (size, done.stderr)
            assert "disk is full" in done.stderr or "No space left" in done.stderr, done.stderr
        assert replace(job, out=job.out.with_name("out-kept")).results == reference


def test_of_two_jobs_on_one_output_one_does_it_and_the_other_says_who_does(
    again, undisturbed, often
):
    reference, took_s = undisturbed
    for trial in range(often(1, 20)):
        job = again()
        first = job.start()
        time.sleep(trial / 20 * took_s)
        second = replace(job, work=job.work / "second").start()
        ends = {}
        for process in (first, second):
            _, said = process.communicate(timeout=120)
            ends[process.returncode] = said
        assert set(ends) <= {0, 75}, ends
        assert 0 in ends, ends
        if 75 in ends:
            assert "Another job (process" in ends[75], ends
        assert job.results == reference


def test_jobs_of_an_array_share_an_output(make_dataset, tmp_path, often, job):
    labels = [f"{number:02d}" for number in range(1, often(4, 8) + 1)]
    dataset = make_dataset(tmp_path / "in", subjects=tuple(labels), volumes=40, grid=COARSE)
    whole = replace(job, dataset=dataset, out=tmp_path / "whole")
    assert whole.run()[0] == 0
    for _ in range(often(1, 10)):
        shutil.rmtree(tmp_path / "shared", ignore_errors=True)
        parts = [
            replace(
                job,
                dataset=dataset,
                out=tmp_path / "shared",
                work=tmp_path / "parts" / label,
                options=("--participant-label", label, "--nprocs", "1"),
            )
            for label in labels
        ]
        for process in [part.start() for part in parts]:
            _, said = process.communicate(timeout=240)
            assert process.returncode == 0, said
        assert parts[0].results == whole.results


def test_nobody_is_called(job, undisturbed):
    exit_code, said = job.run("network", 0)
    assert exit_code == 0, said
    assert "calls: 0" in said
    assert job.results == undisturbed[0]


READ_ONLY = """
for place in $READ_ONLY; do mount --bind $place $place && mount -o remount,bind,ro $place; done
touch $INPUT/x 2>/dev/null && exit 99
exec $PYTHON -m bidsmask "$@"
"""


@needs_root
def test_input_code_and_home_may_be_read_only(job, undisturbed, tmp_path):
    (tmp_path / "home").mkdir()
    code = Path(bidsmask.__file__).parents[1]
    places = [str(job.dataset.root.parent), str(code), str(tmp_path / "home")]
    done = in_own_mounts(
        READ_ONLY,
        job,
        READ_ONLY=" ".join(places),
        INPUT=str(job.dataset.root),
        HOME=str(tmp_path / "home"),
    )
    if done.returncode == 99:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 0, done.stderr
    assert job.results == undisturbed[0]


NOBODY = ("unshare", "--user", "--map-user=54321")


def test_a_user_whom_the_system_does_not_know_and_who_has_no_home(job, undisturbed):
    if subprocess.run([*NOBODY, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    kept = {name: job.environ[name] for name in ("PATH", "PYTHONPATH") if name in job.environ}
    done = subprocess.run(
        [*NOBODY, sys.executable, "-m", "bidsmask", *job.words],
        env=kept | {"HOME": "/proc/1/nowhere"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert job.results == undisturbed[0]


LOCALES = (
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati"},
    {"LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "2", "TZ": "America/St_Johns"},
    {"LC_ALL": "nowhere", "LANG": "", "PYTHONHASHSEED": "random", "PYTHONIOENCODING": "latin-1"},
)


def test_languages_hash_seeds_and_umasks_change_no_byte(again, undisturbed, often):
    reference, _ = undisturbed
    for umask, words in zip((0o077, 0o027, 0o000), LOCALES[: often(1, 3)], strict=False):
        job = again()
        job.environ |= words
        exit_code, said = job.run(umask=umask)
        assert exit_code == 0, said
        assert job.results == reference, words
        modes = {stat.S_IMODE(path.stat().st_mode) for path in job.out.rglob("*.tsv")}
        assert modes == {0o666 & ~umask}


WAYS = (
    ("--nprocs", "1", "--omp-nthreads", "2", "--participant-label", "02", "01"),
    ("--nprocs", "4", "--omp-nthreads", "1"),
    ("--nprocs", "2", "--omp-nthreads", "4", "--mem-gb", "2"),
)


def test_processes_threads_folders_and_order_change_no_byte(
    again, undisturbed, often, tmp_path, study
):
    """The record of a run tells where its dataset is, seen from the output: that stays."""
    here = tmp_path / "another place"
    moved = replace(study, root=here / study.root.relative_to(study.root.parents[2]))
    shutil.copytree(study.root, moved.root)
    for options in WAYS[: often(1, 3)]:
        job = replace(again(), dataset=moved, options=options, out=here / "folder" / "out")
        exit_code, said = job.run()
        assert exit_code == 0, said
        assert job.results == undisturbed[0], options
        shutil.rmtree(job.out)
