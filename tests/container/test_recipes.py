"""The README's commands for Docker and Apptainer do what it says, with other folders."""

import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILDS = ("docker build", "docker save", "apptainer build")
"""Done by ``.ci/container``, which also says where the images are."""


def commands(kind):
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+", " ", line) for line in lines if line.startswith(kind)]


@pytest.fixture(scope="module")
def places(data):
    """What the README's folders stand for here; the user may write where the README says so."""
    atlas = data.root / "atlas"
    shutil.copytree(ROOT / "descriptors" / "examples" / "atlas", atlas)
    return {
        "/data/fmriprep": str(data.bids_dir),
        "/data/atlases": str(atlas),
        "/data/out": str(data.output("recipes", "out")),
    }


def with_places(command, places):
    for place, folder in places.items():
        command = command.replace(place, folder)
    return command


@pytest.mark.parametrize("command", commands("docker run"))
def test_a_docker_command_of_the_readme_works(command, docker, image, places, data, run):
    command = re.sub(r"bidsmask:\d\S+", image, with_places(command, places))
    uid, gid = data.user.split(":")
    command = command.replace("$(id -u)", uid).replace("$(id -g)", gid)
    engine = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
    run(["bash", "-c", command.replace("docker run", f"{engine} run", 1)])


@pytest.mark.parametrize("command", commands("apptainer run"))
def test_an_apptainer_command_of_the_readme_works(command, apptainer, places, data, run):
    places = places | {"/data/out": str(data.output("recipes-apptainer", "out"))}
    if "group" in command:
        pytest.skip("the group level is tested with the participant level in test_apptainer.py")
    program, sif = apptainer
    command = with_places(command, places).replace("bidsmask.sif", sif)
    run(["bash", "-c", command.replace("apptainer", program, 1)], cwd=data.root)


def test_the_images_of_the_readme_are_built_by_the_checks():
    built = (ROOT / ".ci" / "container").read_text()
    for command in (line for kind in BUILDS for line in commands(kind)):
        words = [word for word in command.split() if word.startswith("docker-archive:")]
        assert all(word in built for word in words)
    assert " build " in built
    assert os.access(ROOT / ".ci" / "container", os.X_OK)
