"""What the checks on Slurm share. ``.ci/cluster`` starts one where none is running."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OVER = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL"}


@pytest.fixture(scope="session")
def slurm():
    """Slurm's commands, in one object."""
    if not shutil.which("sbatch"):
        pytest.skip("No Slurm: the command sbatch is missing (bash .ci/cluster installs it)")
    if subprocess.run(["sinfo", "-h"], capture_output=True, check=False).returncode:
        pytest.skip("No Slurm controller answers (bash .ci/cluster starts one)")
    return Slurm()


class Slurm:
    """Submit jobs and wait for them."""

    def submit(self, *words, cwd, environ):
        done = subprocess.run(
            ["sbatch", "--parsable", *words],
            capture_output=True, text=True, cwd=cwd, env=environ, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def wait(self, job, *, seconds=240):
        """States of all tasks of a job, by task number (None for a job that is no array)."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = self.states(job)
            if states and set(states.values()) <= OVER:
                return states
            time.sleep(1)
        raise AssertionError(f"job {job} is not over after {seconds} s: {self.states(job)}")

    def last_job(self):
        """Number of the last job that was submitted."""
        done = subprocess.run(["sbatch", "--parsable", "--wrap", "true"], capture_output=True,
                              text=True, check=True, cwd="/tmp")  # fmt: skip
        return int(done.stdout)

    def states(self, job):
        text = subprocess.run(
            ["scontrol", "-o", "show", "job", job], capture_output=True, text=True, check=False
        ).stdout
        tasks = [
            dict(word.partition("=")[::2] for word in line.split()) for line in text.splitlines()
        ]
        return {task.get("ArrayTaskId"): task["JobState"] for task in tasks if "JobState" in task}
