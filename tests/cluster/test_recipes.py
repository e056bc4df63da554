"""The README's commands for Slurm, on scripts that are edited as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACE_1 = {"--cpus-per-task=4": "--cpus-per-task=1"} | dict.fromkeys(
    ("--mem=8G", "--mem=4G"), "--mem=1500"
)


def recipe():
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return next((block for block in blocks if "sbatch --" in block), None)


def test_the_commands_of_the_readme_work(slurm, tmp_path, make_dataset):
    block = recipe()
    if block is None:
        pytest.skip("the README has no recipe for Slurm yet")
    dataset = make_dataset(tmp_path / "in", subjects=("01", "02"))
    for script in (ROOT / "descriptors" / "slurm").glob("*.sbatch"):
        text = script.read_text()
        for published, here in PLACE_1.items():
            text = text.replace(published, here)
        (tmp_path / script.name).write_text(text)
    environ = {
        **os.environ,
        "OUTPUT": str(tmp_path / "out"),
        "WORK": str(tmp_path / "work"),
        "OPTIONS": f"--atlases {dataset.atlas}",
        "BIDSMASK": str(Path(sys.executable).with_name("bidsmask")),
    }
    commands = "\n".join(line for line in block.splitlines() if not line.startswith("cp "))
    commands = commands.replace("FMRIPREP=/data/fmriprep", f"FMRIPREP={dataset.root}")
    done = subprocess.run(
        ["bash", "-euc", commands],
        capture_output=True, text=True, cwd=tmp_path, env=environ, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    group = re.findall(r"\d+", done.stdout)[-1]
    assert set(slurm.wait(group).values()) == {"COMPLETED"}
    rows = (tmp_path / "out" / "group_qc.tsv").read_text().splitlines()
    assert len(rows) == 3
