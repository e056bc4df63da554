"""What the container checks share. ``.ci/container`` builds the image and says where it is."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = "bash .ci/container makes it"
VARIES = (".bidsmask", "logs/2*", "logs/crash*")
"""What may differ between two runs: locks, and what has the time in its name."""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


def _needed(variable, what):
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{what} is not there: {variable} is not set ({HERE})")
    return value


@pytest.fixture(scope="session")
def image():
    """Name of the image that is tested."""
    return _needed("BIDSMASK_IMAGE", "The Docker image")


@pytest.fixture(scope="session")
def plain():
    """The command of an installation without container, with the same requirements."""
    return _needed("BIDSMASK_PLAIN", "A plain installation")


@pytest.fixture(scope="session")
def apptainer():
    """The command apptainer, and the image in its format."""
    return (
        _needed("BIDSMASK_APPTAINER", "Apptainer"),
        _needed("BIDSMASK_SIF", "The Apptainer image"),
    )


@pytest.fixture(scope="session")
def docker():
    """Run Docker: ``docker("run", ...)`` gives the finished process."""
    command = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
    if subprocess.run([command, "info"], capture_output=True, check=False).returncode:
        pytest.skip(f"No Docker engine can be reached ({HERE})")

    def run(*arguments, check=True, **options):
        return _run([command, *arguments], check=check, **options)

    return run


def _run(command, *, check=True, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0 or not check, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def run():
    """Run any command; its output is shown if it fails."""
    return _run


@pytest.fixture(scope="session")
def user():
    """A user without a name, where the tests may hand files to one; else the user who tests."""
    return "12345:12345" if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


@pytest.fixture(scope="session")
def data(tmp_path_factory, user):
    """Folders that any user can reach: a dataset of two subjects, its atlas, what to ask for."""
    from bidsmask.demo import RunPlan, write_dataset

    root = tmp_path_factory.mktemp("container")
    for folder in (root, *root.parents[:2]):
        folder.chmod(0o755)
    plans = [RunPlan(subject=subject, n_volumes=120) for subject in ("01", "02")]
    dataset = write_dataset(root / "in", plans, seed=7)
    return Data(root, dataset, user)


class Data:
    """One dataset, and an output folder for everyone who asks."""

    def __init__(self, root, dataset, user):
        self.root, self.bids_dir, self.user = root, dataset.root, user
        self.atlas = dataset.atlas
        self.options = ("--atlases", str(dataset.atlas), "--strategies", "none", "simple")

    def output(self, *parts):
        """Make an empty folder that the user of the container can write to."""
        folder = self.root.joinpath(*parts)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if os.getuid() == 0:
            for path in (folder, *folder.parents[: len(parts) - 1]):
                os.chown(path, *map(int, self.user.split(":")))
        return folder


@pytest.fixture(scope="session")
def expected(data, plain, image):
    """The outputs of both levels of a plain installation."""
    output = data.output("plain", "out")
    environ = {**os.environ, "BIDSMASK_DOCKER_TAG": image}
    for level in ("participant", "group"):
        _run([plain, data.bids_dir, output, level, *data.options], env=environ)
    return contents(output)


def contents(output):
    """All files of an output folder that must not differ, and their bytes."""
    files = [path for path in sorted(output.rglob("*")) if path.is_file()]
    names = [path.relative_to(output) for path in files]
    return {
        str(name): _without_times(path) if name.parent == Path("logs") else path.read_bytes()
        for name, path in zip(names, files, strict=True)
        if not any(name.match(f"{pattern}/**/*") or _below(name, pattern) for pattern in VARIES)
    }


def _without_times(path):
    """A log without what takes another time each day: seconds, and the folder named after now."""
    if path.name == "status.tsv":
        rows = [row.split("\t") for row in path.read_text().splitlines()]
        column = rows[0].index("seconds")
        return "\n".join("\t".join(row[:column] + row[column + 1 :]) for row in rows).encode()
    if path.name == "summary.json":
        summary = json.loads(path.read_text())
        del summary["last_request"]["log"]
        for run in summary["runs"]:
            del run["seconds"]
        return json.dumps(summary).encode()
    return path.read_bytes()


def _below(name, pattern):
    return any(parent.match(pattern) for parent in (name, *name.parents))


@pytest.fixture(scope="session")
def same():
    """Compare an output folder with what is expected, file by file."""

    def compare(output, expected, *, but=()):
        found = contents(output)
        assert sorted(found) == sorted(expected)
        differ = [name for name in found if found[name] != expected[name] and name not in but]
        assert differ == []
        assert len(found) > 50

    return compare
