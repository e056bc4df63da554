"""What the loops over faults share. ``bash .ci/faults`` runs them in full.

The law of all of them: a command that is hurt ends soon, with an exit code that says how; what has
a final name then is as it is without the fault; nobody is left running; and the same command again
ends with the same bytes as if nothing had happened.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bidsmask.demo import cubic_grid

COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
FAULTY = Path(__file__).with_name("faulty.py")
PATIENCE_S = 120
FINAL = re.compile(r"sub-\d+/func/[^.].*")
"""What has its final name; a page may lack what is missing, and figures belong to a page."""


@pytest.fixture(scope="session")
def often():
    """How many times: ``often(3, 100)`` is 3 in the suite and 100 in full."""
    full = os.environ.get("BIDSMASK_FAULTS") == "full"
    return lambda quick, thorough: thorough if full else quick


@pytest.fixture(scope="session")
def study(tmp_path_factory, make_dataset):
    """Two tiny subjects. Shared: look, and do not touch."""
    root = tmp_path_factory.mktemp("faults")
    root.chmod(0o755)
    return make_dataset(root / "in", subjects=("01", "02"), volumes=40, grid=COARSE)


@dataclass
class Job:
    """A command, the folder of its output, and how it can be run."""

    dataset: object
    out: Path
    work: Path
    options: tuple = ()
    environ: dict = field(default_factory=lambda: dict(os.environ))

    @property
    def words(self):
        """Arguments of the command."""
        what = ["--atlases", str(self.dataset.atlas), "--strategies", "simple", "--nprocs", "2"]
        where = [str(self.dataset.root), str(self.out), "participant"]
        return [*where, *what, "-w", str(self.work), *self.options]

    def start(self, *fault, **how):
        """Start the command, in a session of its own; with a fault, see ``faulty.py``."""
        program = [str(FAULTY), *map(str, fault)] if fault else ["-m", "bidsmask"]
        how = {"env": self.environ, "start_new_session": True} | how
        return subprocess.Popen(
            [sys.executable, *program, *self.words],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **how,
        )  # fmt: skip

    def run(self, *fault, **how):
        """Run the command; exit code, and what it said."""
        with self.start(*fault, **how) as process:
            try:
                _, said = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                raise
        return process.returncode, said

    @property
    def results(self):
        """SHA-256 of all but logs and what is hidden, by name."""
        return {
            path.relative_to(self.out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and path.relative_to(self.out).parts[0] not in (".bidsmask", "logs")
        }

    def nobody_is_left(self, *, within_s=5.0):
        """Whether all processes that know this output have ended, or do so soon."""
        until = time.monotonic() + within_s
        while _know(self.out):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


def _know(out):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(out).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.fixture(scope="session")
def undisturbed(study, tmp_path_factory):
    """The outputs of the command when nothing happens, and the seconds that it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = Job(study, folder / "out", folder / "work")
    started = time.monotonic()
    exit_code, said = job.run()
    assert exit_code == 0, said
    return job.results, time.monotonic() - started


@pytest.fixture
def job(study, tmp_path):
    """The command, with folders of its own."""
    return Job(study, tmp_path / "out", tmp_path / "work")


@pytest.fixture
def recovers(undisturbed):
    """Check the law: what there is is right, nobody is left, and once more all is there."""
    reference, _ = undisturbed

    def check(job, what):
        assert job.nobody_is_left(), what
        wrong = [
            name
            for name, known in job.results.items()
            if FINAL.fullmatch(name) and reference.get(name) != known
        ]
        assert wrong == [], what
        exit_code, said = job.run()
        assert exit_code == 0, (what, said)
        assert job.results == reference, what
        left = [path for path in job.out.rglob("*.tmp") if path.parent.name != "logs"]
        assert left == [], what

    return check


@pytest.fixture
def again(job):
    """Start afresh: nothing is left of the last trial."""

    def clear():
        for folder in (job.out, job.work):
            shutil.rmtree(folder, ignore_errors=True)
        return job

    return clear
