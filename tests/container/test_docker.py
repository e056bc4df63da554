"""The image does its work under the worst conditions, and gives the bytes of a plain install."""

import json
import re
import time

import pytest

HOSTILE = (
    *("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--memory", "2g", "--memory-swap", "2g"),
)
HOMES = {
    "home-is-root": (),
    "home-is-missing": ("-e", "HOME=/nonexistent"),
    "home-is-unset": ("--entrypoint", "/usr/bin/env"),
}


@pytest.fixture(scope="module")
def hostile(docker, image, data):
    """Run both levels of bidsmask in a container that forbids all that can be forbidden."""

    def run(output, *options, words=()):
        mounts = ("-v", f"{data.root}/in:{data.root}/in:ro", "-v", f"{output}:{output}")
        start = ("run", *HOSTILE, "--user", data.user, *mounts, *options, image, *words)
        for level in ("participant", "group"):
            done = docker(*start, data.bids_dir, output, level, *data.options)
            assert "Traceback" not in done.stderr

    return run


@pytest.mark.parametrize("home", HOMES)
def test_a_hostile_container_gives_the_bytes_of_a_plain_install(
    home, hostile, data, expected, same
):
    output = data.output(home, "out")
    unset = ("-u", "HOME", "bidsmask") if home == "home-is-unset" else ()
    hostile(output, *HOMES[home], words=unset)
    same(output, expected)


def test_no_temporary_folder_is_left_in_the_output(docker, image, data):
    output = data.output("leftovers", "out")
    mounts = ("-v", f"{data.root}/in:{data.root}/in:ro", "-v", f"{output}:{output}")
    done = docker("run", *HOSTILE, "--user", data.user, *mounts, image, data.bids_dir, output,
                  "participant", *data.options, "--clean-workdir")  # fmt: skip
    assert "Traceback" not in done.stderr
    assert not list((output / ".bidsmask").rglob("tmp-*"))


def test_the_mounts_of_bids_apps_give_the_same_bytes(docker, image, data, expected, same):
    output = data.output("bids-apps", "out")
    mounts = ("-v", f"{data.bids_dir}:/bids_dataset:ro", "-v", f"{output}:/outputs")
    atlas = ("-v", f"{data.atlas.parent}:{data.atlas.parent}:ro")
    for level in ("participant", "group"):
        docker("run", *HOSTILE, "--user", data.user, *mounts, *atlas, image,
               "/bids_dataset", "/outputs", level, *data.options)  # fmt: skip
    records = [name for name in expected if name.endswith("_desc-bidsmask_complete.json")]
    same(output, expected, but=("dataset_description.json", *records))
    for name in records:  # the same work on the same files; only the dataset's place is another
        there, here = json.loads((output / name).read_text()), json.loads(expected[name])
        assert there["Source"].pop("Dataset") != here["Source"].pop("Dataset")
        assert there == here
    assert len(records) == 2
    found = json.loads((output / "dataset_description.json").read_text())
    assert found["GeneratedBy"][0]["Container"] == {"Type": "docker", "Tag": image}


def test_an_ordinary_run_as_root_gives_the_same_bytes(docker, image, data, expected, same):
    output = data.output("ordinary", "out")
    mounts = ("-v", f"{data.root}/in:{data.root}/in:ro", "-v", f"{output}:{output}")
    for level in ("participant", "group"):
        docker("run", "--rm", "--network", "none", *mounts, image,
               data.bids_dir, output, level, *data.options)  # fmt: skip
    same(output, expected)


def test_an_output_that_cannot_be_written_to_is_said_in_one_line(docker, image, data):
    done = docker("run", *HOSTILE, "--user", data.user, "-v", f"{data.root}/in:/in:ro", image,
                  "/in/fmriprep", "/outputs", "participant", check=False)  # fmt: skip
    assert done.returncode == 73
    assert len(done.stderr.strip().splitlines()[-1:]) == 1
    assert "Traceback" not in done.stderr


def test_too_little_memory_is_a_failure_and_not_a_wait(docker, image, data):
    output = data.output("memory", "out")
    mounts = ("-v", f"{data.root}/in:{data.root}/in:ro", "-v", f"{output}:{output}")
    done = docker("run", "--rm", "--network", "none", "--memory", "60m", "--memory-swap", "60m",
                  *mounts, image, data.bids_dir, output, "participant", *data.options,
                  check=False, timeout=120)  # fmt: skip
    assert done.returncode not in (0, 70)


def test_the_version_is_there_in_a_second(docker, image):
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        said = docker("run", "--rm", "--network", "none", image, "--version").stdout
        seconds.append(time.monotonic() - start)
    assert re.fullmatch(r"bidsmask \d+\.\d+.*\n", said)
    assert min(seconds) < 1


def test_the_image_is_small_and_holds_no_compiler(docker, image):
    megabytes = int(docker("image", "inspect", "-f", "{{.Size}}", image).stdout) / 1e6
    assert megabytes < 700
    found = docker("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c",
                   "command -v gcc cc g++ clang make pip || true").stdout  # fmt: skip
    assert found == ""


def test_the_image_says_what_it_is(docker, image):
    config = json.loads(docker("image", "inspect", "-f", "{{json .Config}}", image).stdout)
    labels = config["Labels"]
    expected = ("title", "description", "licenses", "version", "revision")
    expected = ("title", "description", "licenses", "version", "revision")
    assert {f"org.opencontainers.image.{name}" for name in expected} <= set(labels)
    assert f"BIDSMASK_DOCKER_TAG={image}" in config["Env"]


def test_templates_that_came_with_the_image_are_found(docker, image, data, tmp_path):
    """As in an image that was built with a network: an atlas in the folder for templates."""
    home = data.output("templates") / "tpl-MNI152NLin2009cAsym"
    home.mkdir(mode=0o755)
    name = "tpl-MNI152NLin2009cAsym_res-02_atlas-Schaefer2018_desc-100Parcels7Networks_dseg"
    (home / f"{name}.nii.gz").write_bytes(data.atlas.read_bytes())
    table = data.atlas.with_name(data.atlas.name.replace(".nii.gz", ".tsv"))
    (home / f"{name}.tsv").write_bytes(table.read_bytes())
    done = docker(
        *("run", *HOSTILE, "--user", data.user),
        *("-v", f"{data.bids_dir}:/in:ro", "-v", f"{home.parent}:/opt/bidsmask-templates:ro"),
        *("-v", f"{data.output('templates-out')}:/outputs", image),
        *("/in", "/outputs", "participant", "--dry-run", "--no-download"),
        *("--atlases", "Schaefer2018_seg-7n_scale-100"),
    )
    assert "problem" not in done.stdout.lower().splitlines()[0]
