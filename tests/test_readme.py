"""Every command of the README does what it says, here or in ``.ci/run``."""

import re
import shlex
from pathlib import Path

import nibabel
import numpy as np
import pytest
from worlds import surface_dataset

from bidsmask.cli.main import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
IN_CI = {
    "python -m pip install . && bidsmask --demo demo_out",
    "python -m pip install '.[test]' && pytest -n auto --dist loadfile",
}
"""Commands that install: a test suite cannot, but `.ci/run` does."""


def commands():
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+", " ", line).strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def places(tmp_path_factory, demo_dataset, make_dataset):
    """What the README's places stand for here."""
    folder = tmp_path_factory.mktemp("readme")
    _write_named_atlas(folder / "templateflow", demo_dataset.atlas)
    on_surfaces = make_dataset(folder)
    surface_dataset.add_surfaces(on_surfaces.runs[0])
    labels = surface_dataset.write_labels(folder)
    return {
        "/data/surfaces": str(on_surfaces.root),
        "/data/out_of_surfaces": str(folder / "out_of_surfaces"),
        "/atlases/tpl-fsLR_atlas-Y_den-91k_dseg.dlabel.nii": str(
            surface_dataset.write_dlabel(folder)
        ),
        "/atlases/tpl-fsaverage_hemi-L_den-10k_atlas-Y_dseg.label.gii": str(labels),
        "/data/fmriprep": str(demo_dataset.root),
        "/data/out": str(folder / "out"),
        "/atlases/tpl-X_atlas-Y_dseg.nii.gz": str(demo_dataset.atlas),
        "/scratch": str(folder / "scratch"),
        "templateflow": str(folder / "templateflow"),
    }


def _write_named_atlas(home: Path, like: Path):
    """An atlas of 200 slabs under TemplateFlow's name for Schaefer's; the names are packaged."""
    space = "MNI152NLin2009cAsym"
    image = nibabel.load(like)
    labels = np.arange(image.shape[2]) * 200 // image.shape[2] + 1
    labels = np.broadcast_to(labels, image.shape).astype(np.int16)
    labels = np.where(np.asarray(image.dataobj) > 0, labels, 0)
    labels.ravel()[:200] = np.arange(1, 201)
    path = (
        home
        / f"tpl-{space}"
        / (f"tpl-{space}_res-02_atlas-Schaefer2018_desc-200Parcels7Networks_dseg.nii.gz")
    )
    path.parent.mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.int16), image.affine, image.header), path)


def test_the_readme_has_commands():
    assert len(commands()) >= 5


def test_commands_that_install_are_those_that_ci_runs():
    ci = (ROOT / ".ci" / "run").read_text() + (ROOT / ".ci" / "demo").read_text()
    installing = {command for command in commands() if "pip" in command}
    assert installing == IN_CI
    assert "'.[test,check]'" in ci
    assert re.search(r"^pytest", ci, re.MULTILINE)
    assert "bidsmask --demo" in ci


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("bidsmask ")])
def test_a_command_of_the_readme_works(command, places, monkeypatch):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", places["templateflow"])
    monkeypatch.chdir(ROOT)  # a command may name what comes with the sources
    words = [places.get(word, word) for word in shlex.split(command)[1:]]
    if "--atlases" not in words and "group" not in words:
        words += ["--atlases", places["/atlases/tpl-X_atlas-Y_dseg.nii.gz"]]
    words = ["2" if word == "8" else word for word in words]
    assert main(words) == 0


def test_every_strategy_of_the_readme_exists_and_none_is_missing():
    from bidsmask.dataset.data import strategy_names

    _, _, section = README.partition("### Confound strategies")
    named = re.findall(r"^\| `([\w+.]+)` \|", section.partition("###")[0], re.MULTILINE)
    assert sorted(named) == sorted(strategy_names())


def test_every_other_command_is_a_recipe_that_a_container_or_a_cluster_runs():
    recipes = [c for c in commands() if c not in IN_CI and not c.startswith("bidsmask ")]
    tests = "".join(
        (ROOT / "tests" / folder / "test_recipes.py").read_text()
        for folder in ("container", "cluster")
    )
    assert {re.split(r"[ =]", recipe)[0] for recipe in recipes} == {
        *("docker", "apptainer", "cp", "export", "(cd", "first", "sbatch")
    }
    assert "README.md" in tests


def test_the_python_of_the_readme_runs_on_the_demo(demo_dataset, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    for folder in ("fmriprep", "atlas"):
        (tmp_path / folder).symlink_to(demo_dataset.root.parent / folder)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert names["signals"].shape[1] == 60
    assert np.isnan(names["signals"]).all(axis=0).sum() >= 1, "sub-03 lacks regions"
    assert "LH_Vis_1" in (tmp_path / "masker.html").read_text()
