"""What is wrong with a run on surfaces costs that run, and is said with file and remedy."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import pandas as pd
import pytest
from worlds import surface_dataset as surfaces
from worlds import surface_files as files

from bidsmask.cli.main import main
from bidsmask.demo.dataset import write_root


def sidecar_of(path):
    return path.parent / f"{path.name.partition('.')[0]}.json"


def say(path, **content):
    """Add to the sidecar of a file."""
    sidecar = sidecar_of(path)
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | content))


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def shorten(path, side):
    values = surfaces.values(40)
    files.write_func(path, values[: surfaces.LEFT] if side == "L" else values[-26:], side)


def compress(path):
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def declare_entity(path):
    text = path.read_text()
    path.write_text(
        text.replace("<GIFTI ", '<!DOCTYPE GIFTI [<!ENTITY a "aaaa">]>\n<GIFTI ', 1)
        if "<!DOCTYPE" not in text
        else text.replace(text[text.index("<!DOCTYPE") :].split(">")[0] + ">",
                          '<!DOCTYPE GIFTI [<!ENTITY a "aaaa">]>', 1)
    )  # fmt: skip


def put_values_elsewhere(path):
    image = nib.load(path)
    text = image.to_xml().decode().replace("GZipBase64Binary", "ExternalFileBinary")
    path.write_text(text.replace('ExternalFileName=""', 'ExternalFileName="values.dat"'))


DEFECTS = {
    # label of the subject: (what is done to its files, words of the letter)
    "halfcifti": (lambda run: halve(run.cifti), ["bold.dtseries.nii", "Copy the file again"]),
    "gzcifti": (lambda run: compress(run.cifti), ["gunzip"]),
    "step": (
        lambda run: say(run.cifti, RepetitionTime=0.8),
        ["RepetitionTime is 0.8 s", "but 2 s in the header", "correct the other"],
    ),
    "halfgifti": (lambda run: halve(run.right), ["hemi-R", "Copy the file again"]),
    "oneside": (
        lambda run: run.right.unlink(),
        ["sub-oneside_task-rest_hemi-R_space-fsaverage5_bold.func.gii", "is not beside it"],
    ),
    "lengths": (
        lambda run: shorten(run.right, "R"),
        ["different numbers of volumes", "hemi-R", "copy it again"],
    ),
    "swapped": (
        lambda run: files.write_func(run.left, surfaces.values(60)[: surfaces.LEFT], "R"),
        ["hemi-L", "AnatomicalStructurePrimary", "rename"],
    ),
    "sidecars": (
        lambda run: say(run.right, RepetitionTime=3.0),
        ["hemispheres contradict each other", "2.0", "3.0", "hemi-R"],
    ),
    "entity": (lambda run: declare_entity(run.left), ["declares an XML entity"]),
    "elsewhere": (lambda run: put_values_elsewhere(run.left), ["values.dat"]),
}
SOUND = "sound"


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """All defects in one dataset, a subject each, and one that is sound."""
    where = tmp_path_factory.mktemp("ward")
    root, out = write_root(where / "fmriprep"), where / "out"
    for label in (*DEFECTS, SOUND):
        run = surfaces.write_subject(root, label)
        if label in DEFECTS:
            DEFECTS[label][0](run)
    atlases = [surfaces.write_dlabel(where), surfaces.write_labels(where)]
    what = ["--space", "fsLR", "fsaverage5", "--strategies", "none", "--atlases", *atlases]
    exit_code = main(list(map(str, [root, out, "participant", *what])))
    return exit_code, pd.read_csv(out / "logs" / "status.tsv", sep="\t", keep_default_na=False)


def of(ward, label):
    status = ward[1]
    return status[status["run"].str.startswith(f"sub-{label}_")]


@pytest.mark.parametrize("label", DEFECTS)
def test_a_letter_names_the_file_and_says_what_to_do(ward, label):
    failed = of(ward, label).query("status == 'failed'")
    (letter,) = failed["reason"]
    assert not [word for word in DEFECTS[label][1] if word not in letter], letter
    assert "Traceback" not in letter


def test_all_other_runs_are_done(ward):
    exit_code, status = ward
    assert exit_code == 1
    assert list(of(ward, SOUND)["status"]) == ["done", "done"]
    assert (status["status"] == "done").sum() == 2 * (1 + len(DEFECTS)) - len(DEFECTS)


def test_a_dataset_of_surfaces_alone_says_how_they_are_asked_for(tmp_path, capsys):
    root = write_root(tmp_path / "fmriprep")
    surfaces.write_subject(root, "01")
    assert main([str(root), str(tmp_path / "out"), "participant"]) == 66
    assert "--space fsLR fsaverage5" in capsys.readouterr().err
