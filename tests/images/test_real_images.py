from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.image import resample_to_img

from bidsmask.columns.coverage import share_of
from bidsmask.columns.regions import place_regions, read_labels
from bidsmask.images.series import open_series
from bidsmask.images.stream import BoldStream
from bidsmask.images.volumes import read_mask

DATA = Path(__file__).parents[2].parent / "shared" / "data"
TEMPLATE = DATA / "templateflow" / "tpl-MNI152NLin2009cAsym"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not beside the project"),
]


def test_a_published_atlas_is_resampled_as_nilearn_does():
    atlas = next(TEMPLATE.glob("*res-01_atlas-Schaefer2018*200Parcels*_dseg.nii.gz"))
    mask_file = next(TEMPLATE.glob("*res-02_desc-brain_mask.nii.gz"))
    mask, grid = read_mask(mask_file)
    placed = place_regions(*read_labels(atlas), range(1, 201), grid=grid, mask=mask)
    peer = resample_to_img(nib.load(atlas), nib.load(mask_file), interpolation="nearest")
    np.testing.assert_array_equal(placed.codes, np.asarray(peer.dataobj))  # labels are 1 to 200
    assert placed.extent.n_voxels.min() > 0
    assert share_of(placed.extent.size_inside, placed.extent.size).min() > 0.7


@pytest.mark.parametrize(
    "file", sorted((DATA / "haxby2001").glob("*_bold_*.nii.gz")), ids=lambda f: f.name
)
def test_real_runs_stream_as_nibabel_reads_them(file):
    stream = BoldStream(file, 50)
    volumes = np.concatenate([stream.scale(block).copy() for _, block in stream.blocks()])
    values = nib.load(file).get_fdata()
    np.testing.assert_array_equal(volumes, values.T)
    assert open_series(stream.path).t_r == 2.5
