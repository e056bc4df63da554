"""What is public: names, and that asking for none of them costs nothing."""

import subprocess
import sys

import pytest

import bidsmask

EXPECTED = [
    "MultiNiftiLabelsMasker",
    "MultiNiftiMapsMasker",
    "MultiNiftiMasker",
    "MultiNiftiSpheresMasker",
    "MultiSurfaceLabelsMasker",
    "MultiSurfaceMapsMasker",
    "MultiSurfaceMasker",
    "NiftiLabelsMasker",
    "NiftiMapsMasker",
    "NiftiMasker",
    "NiftiSpheresMasker",
    "SurfaceLabelsMasker",
    "SurfaceMapsMasker",
    "SurfaceMasker",
    "__version__",
    "apply_mask",
    "clean",
    "compute_background_mask",
    "compute_brain_mask",
    "compute_epi_mask",
    "compute_multi_background_mask",
    "compute_multi_brain_mask",
    "compute_multi_epi_mask",
    "high_variance_confounds",
    "intersect_masks",
    "load",
    "load_confounds",
    "load_confounds_strategy",
    "resample_img",
    "resample_to_img",
    "smooth_img",
    "unmask",
]


def test_the_surface_is_this_and_sorted():
    assert bidsmask.__all__ == EXPECTED == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_name_leads_to_something(name):
    assert getattr(bidsmask, name).__doc__
    assert name in dir(bidsmask)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="NiftyMasker"):
        _ = bidsmask.NiftyMasker


def test_importing_the_package_imports_nothing_else():
    heavy = "numpy", "scipy", "nibabel", "pandas", "sklearn", "matplotlib", "nipype"
    code = f"import sys, bidsmask; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
