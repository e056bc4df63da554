"""Scripts that make images with ``2 * np.eye(4)`` get what the files would give them."""

import nibabel as nib
import numpy as np
import pytest

import bidsmask

SHAPE = (6, 7, 8)
ODD, TRUE = 2 * np.eye(4), np.diag([2.0, 2.0, 2.0, 1.0])
RNG = np.random.default_rng(0)
RUN = RNG.normal(100, 9, (*SHAPE, 12)).astype(np.float32)
LABELS = RNG.integers(0, 4, SHAPE).astype(np.int16)
MAPS = RNG.random((*SHAPE, 2)).astype(np.float32)
BRAIN = np.ones(SHAPE, dtype=np.uint8)


def maskers(affine):
    def image(values):
        return nib.Nifti1Image(values, affine)

    return {
        "voxels": bidsmask.NiftiMasker(image(BRAIN)),
        "coarse": bidsmask.NiftiMasker(image(BRAIN), target_affine=1.5 * affine),
        "labels": bidsmask.NiftiLabelsMasker(image(LABELS)),
        "maps": bidsmask.NiftiMapsMasker(image(MAPS)),
        "spheres": bidsmask.NiftiSpheresMasker([(4, 4, 4)], radius=3, mask_img=image(BRAIN)),
    }


@pytest.mark.filterwarnings("ignore:imgs are being resampled")
@pytest.mark.parametrize("name", maskers(TRUE))
def test_maskers_read_an_odd_affine_as_its_file(name):
    true = (
        maskers(TRUE)[name]
        if name != "coarse"
        else bidsmask.NiftiMasker(
            nib.Nifti1Image(BRAIN, TRUE), target_affine=np.diag([3.0, 3.0, 3.0, 1.0])
        )
    )
    odd = maskers(ODD)[name]
    with pytest.warns(UserWarning, match="last row of an affine"):
        signals = odd.fit_transform(nib.Nifti1Image(RUN, ODD))
    np.testing.assert_array_equal(signals, true.fit_transform(nib.Nifti1Image(RUN, TRUE)))
    painted = odd.inverse_transform(signals)
    np.testing.assert_array_equal(painted.affine[3], [0, 0, 0, 1])
