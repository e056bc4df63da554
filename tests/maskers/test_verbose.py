"""What a masker prints of what it does, if it is asked to."""

import warnings

import numpy as np
import pytest

import bidsmask

MASKERS = {
    "NiftiMasker": "mask_img",
    "NiftiLabelsMasker": "labels_img",
    "NiftiMapsMasker": "maps_img",
    "MultiNiftiLabelsMasker": "labels_img",
}


@pytest.fixture
def make(world):
    """Make a masker, and give the world that it is of."""

    def made(name, far=False, **parameters):
        here = world(far=far)
        where = getattr(here, MASKERS[name])
        return getattr(bidsmask, name)(where, **parameters), here

    return made


@pytest.mark.parametrize("verbose", [0, False])
@pytest.mark.parametrize("name", MASKERS)
def test_a_masker_prints_nothing_unless_it_is_asked_to(make, capsys, name, verbose):
    masker, here = make(name, verbose=verbose)
    masker.inverse_transform(masker.fit_transform(here.img))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [1, True, 2])
def test_every_step_is_printed_with_the_method_that_was_called(make, capsys, verbose):
    masker, here = make("NiftiLabelsMasker", verbose=verbose, detrend=True, smoothing_fwhm=4)
    masker.fit()
    assert capsys.readouterr().out.splitlines() == [
        "[NiftiLabelsMasker.fit] Loading regions from Nifti1Image of shape (8, 9, 7)",
        "[NiftiLabelsMasker.fit] Finished fit",
    ]
    signals = masker.transform(here.img)
    assert capsys.readouterr().out.splitlines() == [
        "[NiftiLabelsMasker.transform] Loading data from Nifti1Image of shape (8, 9, 7, 40)",
        "[NiftiLabelsMasker.transform] Smoothing images",
        "[NiftiLabelsMasker.transform] Extracting region signals",
        "[NiftiLabelsMasker.transform] Cleaning extracted signals",
    ]
    masker.inverse_transform(signals)
    assert capsys.readouterr().out.splitlines() == [
        "[NiftiLabelsMasker.inverse_transform] Computing image from signals"
    ]


def test_what_is_brought_to_another_grid_is_printed(make, capsys):
    masker, here = make("NiftiLabelsMasker", far=True, verbose=1)
    masker.set_params(mask_img=here.mask_img).fit_transform(here.img)
    printed = capsys.readouterr().out
    assert printed.count("[NiftiLabelsMasker.fit_transform]") == len(printed.splitlines())
    assert "Loading mask from" in printed
    assert "Resampling regions" in printed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masker.set_params(resampling_target="labels").fit_transform(here.img)
    printed = capsys.readouterr().out
    assert "Resampling images" in printed
    assert "Resampling regions" not in printed


def test_a_file_is_named_and_a_list_is_counted(make, capsys, tmp_path):
    masker, here = make("NiftiMasker", verbose=1)
    here.img.to_filename(tmp_path / "run.nii.gz")
    masker.fit().transform(tmp_path / "run.nii.gz")
    assert f"Loading data from {tmp_path / 'run.nii.gz'}\n" in capsys.readouterr().out
    masker.transform([here.mask_img] * 3)
    assert "Loading data from a list of 3 images\n" in capsys.readouterr().out


def test_nothing_is_said_to_be_cleaned_if_nothing_is(make, capsys):
    masker, here = make("NiftiMapsMasker", verbose=1)
    masker.fit_transform(here.img)
    assert "Cleaning extracted signals: there is nothing to do\n" in capsys.readouterr().out


def test_printing_changes_no_number(make):
    for name in MASKERS:
        (quiet, here), (loud, _) = make(name), make(name, verbose=2)
        np.testing.assert_array_equal(quiet.fit_transform(here.img), loud.fit_transform(here.img))
