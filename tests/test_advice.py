"""Whoever does what a letter says is helped: every fault, its advice, and the advice followed."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds.tiny_fmriprep import SHAPE, SPACE, affine_in, blocks_of, noise, save_image, write_tiny

from bidsmask.cli.main import main

AFFINE = affine_in("RAS")


class Trouble:
    """A dataset of one run, an atlas, and what is asked for; all of it can be spoilt."""

    def __init__(self, folder):
        self.folder = folder
        made = write_tiny(folder / "fmriprep")
        self.run = made.add_run("01", noise(), AFFINE, np.ones(SHAPE, dtype=np.uint8))
        self.spare = Path(shutil.copytree(made.root, folder / "spare"))
        self.root, self.out = made.root, folder / "out"
        self.atlas = folder / f"tpl-{SPACE}_atlas-Blocks_dseg.nii.gz"
        save_image(self.atlas, blocks_of(AFFINE, SHAPE), AFFINE)
        self.name_regions(range(1, 7))
        self.options = {"--strategies": ["none"], "--atlases": [str(self.atlas)]}

    def name_regions(self, labels):
        rows = "".join(f"{label}\tR{number}\n" for number, label in enumerate(labels))
        table = self.atlas.with_name(self.atlas.name.replace(".nii.gz", ".tsv"))
        table.write_text("index\tname\n" + rows)

    def copy_again(self):
        shutil.copytree(self.spare, self.root, dirs_exist_ok=True)

    def ask(self, capsys, level="participant"):
        capsys.readouterr()
        words = [word for option in self.options.items() for word in (option[0], *option[1])]
        exit_code = main([str(self.root), str(self.out), level, *words])
        return exit_code, capsys.readouterr().err


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change_table(trouble, change):
    table = pd.read_csv(trouble.run.confounds, sep="\t", na_values=["n/a"])
    change(table).to_csv(trouble.run.confounds, sep="\t", index=False, na_rep="n/a")


def lose_orientation(trouble):
    image = nib.load(trouble.run.bold)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nib.Nifti1Image(np.asarray(image.dataobj), None, image.header).to_filename(trouble.run.bold)


def move_a_lot(trouble):
    change_table(trouble, lambda table: table.assign(framewise_displacement=3.0))
    trouble.options["--fd-threshold"] = ["0.5"]


def lose_repetition_time(trouble):
    sidecar = trouble.run.bold.with_name(trouble.run.bold.name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({"TaskName": "rest"}))
    image = nib.load(trouble.run.bold)
    image.header["pixdim"][4] = 0
    image.to_filename(trouble.run.bold)


def say_repetition_time(trouble):
    sidecar = trouble.run.bold.with_name(trouble.run.bold.name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({"TaskName": "rest", "RepetitionTime": 2.0}))


def rename_bold(trouble):
    trouble.run.bold.rename(trouble.run.bold.with_name("sub-01_rest_bold.nii.gz"))
    (trouble.root / "sub-02").mkdir()
    shutil.copytree(trouble.spare / "sub-01", trouble.root / "sub-02", dirs_exist_ok=True)
    for path in (trouble.root / "sub-02").rglob("sub-01*"):
        path.rename(path.with_name(path.name.replace("sub-01", "sub-02")))


def name_it_back(trouble):
    trouble.run.bold.with_name("sub-01_rest_bold.nii.gz").rename(trouble.run.bold)


def ask_for(option, *values):
    return lambda trouble: trouble.options.update({option: list(values)})


def add_participant_without_bold(trouble):
    (trouble.root / "sub-02" / "func").mkdir(parents=True)


def write_into_the_dataset(trouble):
    trouble.out = trouble.root / "sub-01" / "out"


def write_elsewhere(trouble):
    trouble.out = trouble.folder / "out"


def put_atlas_elsewhere(trouble):
    other = trouble.atlas.with_name("tpl-Other_atlas-Blocks_dseg.nii.gz")
    trouble.atlas.rename(other)
    trouble.options["--atlases"] = [str(other)]


def give_atlas_in_the_space_of_the_run(trouble):
    trouble.atlas.with_name("tpl-Other_atlas-Blocks_dseg.nii.gz").rename(trouble.atlas)
    trouble.options["--atlases"] = [str(trouble.atlas)]


CASES = {
    # fault, exit code, words of the letter with its advice, the advice followed
    "truncated": (lambda t: cut(t.run.bold), 1, "Copy the file again", Trouble.copy_again),
    "no mask": (lambda t: t.run.mask.unlink(), 1, "No brain mask.* Copy it", Trouble.copy_again),
    "no confounds": (
        lambda t: t.run.confounds.unlink(),
        1,
        "No confounds table.* Copy it",
        Trouble.copy_again,
    ),
    "short table": (
        lambda t: change_table(t, lambda table: table.iloc[:-1]),
        *(1, "39 rows.* copy both again", Trouble.copy_again),
    ),
    "no orientation": (lose_orientation, 1, "write the file again", Trouble.copy_again),
    "no repetition time": (lose_repetition_time, 1, "RepetitionTime", say_repetition_time),
    "all censored": (move_a_lot, 1, "Raise a threshold", ask_for("--fd-threshold", "5")),
    "no columns": (
        lambda t: (
            change_table(t, lambda table: table.drop(columns="csf")),
            ask_for("--strategies", "36P")(t),
        ),
        *(1, "csf", ask_for("--strategies", "none")),
    ),
    "misspelt strategy": (
        ask_for("--strategies", "simpel"),
        2,
        "Did you mean 'simple'",
        ask_for("--strategies", "simple"),
    ),
    "misspelt task": (
        ask_for("--task-id", "rest", "rset"),
        1,
        "Did you mean 'rest'",
        ask_for("--task-id", "rest"),
    ),
    "misspelt participant": (
        ask_for("--participant-label", "01", "0x"),
        *(1, "It has sub-01", ask_for("--participant-label", "01")),
    ),
    "participant without BOLD": (
        add_participant_without_bold,
        *(1, "leave the participant out with --participant-label"),
        ask_for("--participant-label", "01"),
    ),
    "no BIDS name": (rename_bold, 1, "Give it the name that fMRIPrep gave it", name_it_back),
    "output in the dataset": (
        write_into_the_dataset,
        2,
        "Choose another output folder",
        write_elsewhere,
    ),
    "work folder in the dataset": (
        lambda t: ask_for("-w", str(t.root / "work"))(t),
        *(2, "Choose a (work )?folder elsewhere"),
        lambda t: ask_for("-w", str(t.folder / "work"))(t),
    ),
    "another space": (
        put_atlas_elsewhere,
        2,
        "tpl-Other|space",
        give_atlas_in_the_space_of_the_run,
    ),
    "regions without a name": (
        lambda t: t.name_regions([1, 1, 2, 3, 4, 5]),
        2,
        "index|twice",
        lambda t: t.name_regions(range(1, 7)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_does_what_a_letter_says_is_helped(case, tmp_path, capsys):
    fault, expected, words, follow = CASES[case]
    trouble = Trouble(tmp_path)
    fault(trouble)
    exit_code, said = trouble.ask(capsys)
    assert exit_code == expected, said
    assert re.search(words, said), said
    assert "Traceback" not in said
    follow(trouble)
    exit_code, said = trouble.ask(capsys)
    assert exit_code == 0, said


def test_the_group_level_comes_after_the_participants(tmp_path, capsys):
    trouble = Trouble(tmp_path)
    asked, trouble.options = trouble.options, {}
    exit_code, said = trouble.ask(capsys, "group")
    assert exit_code == 66
    assert "Run the participant level first, with the same output folder" in said
    trouble.options = asked
    assert trouble.ask(capsys)[0] == 0
    trouble.options = {}
    exit_code, said = trouble.ask(capsys, "group")
    assert exit_code == 0
    assert "1 run of 1 subject read:" in said
    assert "  strategy: none\n" in said
    assert re.search(r"  atlas: \S*atlas-Blocks", said)
