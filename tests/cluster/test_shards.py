"""The commands for Slurm of docs/group-statistics.md: parts in an array, and who joins them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from worlds.cohort import write_cohort

ROOT = Path(__file__).parents[2]
HERE = {"--cpus-per-task=2": "--cpus-per-task=1", "--mem=4G": "--mem=1500"}
BIDSMASK = Path(sys.executable).with_name("bidsmask")


def recipe():
    text = (ROOT / "docs" / "group-statistics.md").read_text()
    (block,) = (
        block for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) if "sbatch" in block
    )
    return block


@pytest.fixture(scope="module")
def joined(slurm, tmp_path_factory):
    """A cohort of which eight jobs have read parts, its copy of which one command has read all."""
    root = tmp_path_factory.mktemp("shards")
    cohort = write_cohort(root, n_subjects=20, n_sessions=2)
    plain = shutil.copytree(cohort.output_dir, root / "plain")
    for name in ("shards.sbatch", "group.sbatch"):
        text = (ROOT / "descriptors" / "slurm" / name).read_text()
        for published, here in HERE.items():
            text = text.replace(published, here)
        (root / name).write_text(text)
    commands = recipe().replace("FMRIPREP=BIDS", f"FMRIPREP={cohort.bids_dir}")
    commands = commands.replace("OUTPUT=OUT", f"OUTPUT={cohort.output_dir}")
    done = subprocess.run(
        ["bash", "-euxc", commands],
        capture_output=True, text=True, cwd=root, check=False,
        env={**os.environ, "BIDSMASK": str(BIDSMASK)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (array,) = re.findall(r"shards=(\d+)", done.stderr)
    states = slurm.wait(array), slurm.wait(re.findall(r"\d+", done.stdout)[-1])
    subprocess.run([BIDSMASK, cohort.bids_dir, plain, "group"], capture_output=True, check=True)
    return root, states


def test_each_of_eight_jobs_reads_its_part_and_another_joins_them(joined):
    root, (array, group) = joined
    assert array == {str(task): "COMPLETED" for task in range(1, 9)}
    assert set(group.values()) == {"COMPLETED"}
    logs = [path.read_text() for path in root.glob("bidsmask-shards-*.log")]
    assert sum("part written: 4 stacks of 5 runs" in log for log in logs) == 8
    assert not (root / "out" / ".bidsmask" / "shards").exists()


def test_the_group_has_the_bytes_of_one_command(joined):
    root, _ = joined
    of_jobs, of_one = (
        {
            path.relative_to(root / name): path.read_bytes()
            for path in (root / name).rglob("*")
            if path.is_file()
        }
        for name in ("out", "plain")
    )
    assert of_jobs == of_one
    assert sum(path.suffix == ".h5" for path in of_jobs) == 4
