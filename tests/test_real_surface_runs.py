"""The command line on real surfaces: BOLD on fsaverage5, and the grayordinates of fMRIPrep."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from worlds import surface_files as files

from bidsmask.cli.main import main
from bidsmask.demo.dataset import write_root
from bidsmask.demo.files import write_json, write_table
from bidsmask.maskers import SurfaceLabelsMasker

DATA = Path(__file__).parents[2] / "shared" / "data" / "surfaces"
T = 60
T_R = 1.4
TOLERANCE = 1e-4
"""In standard deviations: the numbers of the table are in single precision."""

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="there is no ../shared/data/surfaces"),
]


def write_confounds(stem):
    rng = np.random.default_rng(0)
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    table = dict(zip(names, rng.normal(0, 0.05, (6, T)), strict=True))
    write_table(Path(f"{stem}_desc-confounds_timeseries.tsv"), table)
    write_json(Path(f"{stem}_desc-confounds_timeseries.json"), {})


def say_repetition_time(path):
    write_json(path.parent / f"{path.name.partition('.')[0]}.json", {"RepetitionTime": T_R})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of both kinds, and atlases of each. Do not touch."""
    where = tmp_path_factory.mktemp("real")
    root, out = write_root(where / "fmriprep"), where / "out"
    stem = root / "sub-01" / "func" / "sub-01_task-rest"
    stem.parent.mkdir(parents=True)
    write_confounds(stem)
    for side in "LR":
        (source,) = (DATA / "lemon_fsaverage5").glob(f"*hemi-{side}*.func.gii")
        path = Path(f"{stem}_hemi-{side}_space-fsaverage5_bold.func.gii")
        path.symlink_to(source)
        say_repetition_time(path)
    axis = nib.load(DATA / "hcp" / "91282_Greyordinates.dscalar.nii").header.get_axis(1)
    values = np.random.default_rng(1).normal(1000, 20, (T, len(axis))).astype(np.float32)
    path = Path(f"{stem}_space-fsLR_den-91k_bold.dtseries.nii")
    files.write_dtseries(path, values, axis, step=T_R)
    say_repetition_time(path)
    labels = where / "tpl-fsaverage_hemi-{}_den-10k_atlas-Desikan2006_dseg.label.gii"
    for side in "lr":
        source = DATA / "fsaverage5" / f"atlas-desikankilliany-{side}h.label.gii.gz"
        nib.load(source).to_filename(str(labels).format(side.upper()))
    gordon = where / "tpl-fsLR_atlas-Gordon_den-91k_dseg.dlabel.nii"
    gordon.symlink_to(DATA / "fs_LR_32" / "Gordon333_FreesurferSubcortical.32k_fs_LR.dlabel.nii")
    desikan = str(labels).format("L")
    what = ["--space", "fsLR", "fsaverage5", "--strategies", "none", "--atlases"]
    exit_code = main(list(map(str, [root, out, "participant", *what, gordon, desikan])))
    return {"exit": exit_code, "out": out, "root": root, "gordon": gordon, "desikan": desikan}


def found(done, name):
    path = done["out"] / "sub-01" / "func" / f"sub-01_task-rest_{name}"
    return pd.read_csv(path, sep="\t", na_values="n/a")


def clean_masker(labels):
    return SurfaceLabelsMasker(
        labels, detrend=True, standardize="zscore_sample", t_r=T_R, min_coverage=0.5
    )


def test_real_bold_on_fsaverage5_is_extracted_as_by_the_masker(done):
    assert done["exit"] == 0
    masker = clean_masker([done["desikan"], done["desikan"].replace("hemi-L", "hemi-R")])
    pair = sorted((done["root"] / "sub-01" / "func").glob("*.func.gii"))
    expected = masker.fit_transform(list(map(str, pair)))
    signals = found(done, "space-fsaverage5_atlas-Desikan2006_stat-mean_desc-none_timeseries.tsv")
    np.testing.assert_allclose(signals, expected, atol=TOLERANCE)


def test_zeros_of_the_medial_wall_are_not_averaged_and_counted(done):
    table = found(done, "space-fsaverage5_atlas-Desikan2006_stat-coverage_bold.tsv")
    assert (table["n_vertices"] - table["n_covered"]).sum() == 18
    assert set(table["status"]) <= {"ok", "partial", "empty"}


def test_regions_of_91k_grayordinates_are_those_of_the_masker(done):
    masker = clean_masker(str(done["gordon"]))
    (run,) = (done["root"] / "sub-01" / "func").glob("*.dtseries.nii")
    expected = masker.fit_transform(str(run))
    name = "space-fsLR_atlas-Gordon_den-91k_stat-mean_desc-none_timeseries.tsv"
    np.testing.assert_allclose(found(done, name), expected, atol=TOLERANCE)
