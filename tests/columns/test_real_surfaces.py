"""Real files on surfaces: means that others have computed, and tables as they are found."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsmask.columns.extract import extract
from bidsmask.columns.request import Request
from bidsmask.columns.surface_labels import place_surface_regions, read_surface_labels
from bidsmask.images.surface_series import open_surfaces

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "surfaces"
CONTE = "cifti2_samples/Conte69"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="there is no ../shared/data/surfaces"),
]


def test_means_are_those_that_workbench_wrote_into_the_conformance_set():
    series = open_surfaces(DATA / f"{CONTE}.MyelinAndCorrThickness.32k_fs_LR.dtseries.nii")
    labels = read_surface_labels(DATA / f"{CONTE}.parcellations_VGD11b.32k_fs_LR.dlabel.nii")
    (ours,) = extract(series, [Request(columns=place_surface_regions(labels, series.grid))])
    theirs = nib.load(DATA / f"{CONTE}.MyelinAndCorrThickness.32k_fs_LR.ptseries.nii")
    columns = [labels.table.names.index(name) for name in theirs.header.get_axis(1).name]
    np.testing.assert_allclose(ours.signals[:, columns], theirs.get_fdata(), rtol=1e-6)


def test_a_table_that_is_one_off_loses_no_region_and_is_said():
    stem = "fs_LR_32/Schaefer2018_7Networks_400.32k"
    labels = read_surface_labels([DATA / f"{stem}.{side}.label.gii" for side in "LR"])
    assert len(labels.table.ids) == 400
    assert "key 0 is called 'label-1'" in labels.table.warnings[0]
    assert "no name for these keys" in labels.table.warnings[2]


def test_hemispheres_with_the_same_names_are_told_apart():
    stem = "fsaverage5/atlas-desikankilliany"
    labels = read_surface_labels([DATA / f"{stem}-{side}.label.gii.gz" for side in ("lh", "rh")])
    assert labels.table.names[0] == "L_bankssts"
    assert labels.table.names[34] == "R_bankssts"
    assert len(labels.table.names) == 68
