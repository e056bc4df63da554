import inspect

import numpy as np
import pytest

import bidsmask
from bidsmask import NiftiMasker, compute_brain_mask, compute_multi_brain_mask
from bidsmask.dataset.data import TEMPLATES_FOLDER
from bidsmask.errors import AtlasError
from bidsmask.maskers.templates import TEMPLATE, anatomy_of

AFFINE = np.diag([2.0, 2, 2, 1])


@pytest.fixture
def home(tmp_path, image, monkeypatch):
    """A TemplateFlow home with a brain, and grey matter in two hemispheres."""
    brain, grey = np.zeros((20, 20, 20), np.uint8), np.zeros((20, 20, 20), np.float32)
    brain[2:18, 2:18, 2:18] = 1
    grey[3:8, 3:17, 3:17], grey[12:17, 3:17, 4:16] = 0.9, 0.8
    grey[5] = 0.2  # a sheet of white matter leaves layers two voxels thick
    folder = tmp_path / TEMPLATE
    folder.mkdir()
    image(brain, AFFINE).to_filename(folder / f"{TEMPLATE}_res-01_desc-brain_mask.nii.gz")
    image(grey, AFFINE).to_filename(folder / f"{TEMPLATE}_res-01_label-GM_probseg.nii.gz")
    image(1 - grey, AFFINE).to_filename(folder / f"{TEMPLATE}_res-01_label-WM_probseg.nii.gz")
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path))
    return brain, grey


@pytest.fixture
def run(image):
    return image(np.random.default_rng(0).normal(size=(20, 20, 20, 4)), AFFINE)


def test_the_brain_of_the_template_is_the_mask(home, run):
    mask = np.asarray(compute_brain_mask(run, opening=0).dataobj)
    np.testing.assert_array_equal(mask, home[0])
    rounded = compute_brain_mask(run).get_fdata()  # opening takes edges and corners
    assert 0.8 * mask.sum() < rounded.sum() < mask.sum()


def test_grey_matter_keeps_both_hemispheres_and_thin_layers(home, run):
    mask = np.asarray(compute_brain_mask(run, mask_type="gm").dataobj)
    np.testing.assert_array_equal(mask, home[1] >= 0.5)
    opened = compute_brain_mask(run, mask_type="gm", opening=2, connected=True)
    assert opened.get_fdata().sum() < 0.6 * mask.sum()  # what nilearn does by default


@pytest.mark.parametrize(
    ("strategy", "tissue"),
    [("whole-brain-template", "whole-brain"), ("gm-template", "gm"), ("wm-template", "wm")],
)
def test_a_masker_takes_the_template_that_it_is_told(home, run, strategy, tissue):
    masker = NiftiMasker(mask_strategy=strategy).fit(run)
    expected = compute_brain_mask(run, mask_type=tissue)
    np.testing.assert_array_equal(masker.mask_img_.dataobj, expected.dataobj)


@pytest.mark.parametrize("name", ["compute_brain_mask", "compute_multi_brain_mask"])
def test_parameters_are_those_of_nilearn(name):
    masking = pytest.importorskip("nilearn.masking")
    ours, theirs = (inspect.signature(getattr(each, name)) for each in (bidsmask, masking))
    assert list(ours.parameters) == list(theirs.parameters)


def test_several_images_have_one_brain(home, run):
    together = compute_multi_brain_mask([run, run])
    np.testing.assert_array_equal(together.dataobj, compute_brain_mask(run).dataobj)
    with pytest.raises(TypeError, match="empty"):
        compute_multi_brain_mask([])


def test_a_tissue_that_does_not_exist_is_refused(run):
    with pytest.raises(ValueError, match="whole-brain"):
        compute_brain_mask(run, mask_type="csf")


def test_a_template_that_cannot_be_had_says_how_to_get_it(run, tmp_path, monkeypatch):
    def fail(name):
        raise OSError("no network")

    monkeypatch.setattr("bidsmask.maskers.templates.template_homes", lambda: (tmp_path,))
    monkeypatch.setattr("bidsmask.maskers.templates.download", fail)
    with pytest.raises(AtlasError, match=r"no network.*label='GM'"):
        compute_brain_mask(run, mask_type="gm")


def test_the_brain_comes_with_bidsmask(image, tmp_path, monkeypatch):
    def fail(name):
        raise AssertionError("nothing is fetched")

    monkeypatch.setattr("bidsmask.maskers.templates.template_homes", lambda: (tmp_path,))
    monkeypatch.setattr("bidsmask.maskers.templates.download", fail)
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -90, -126, -72
    target = image(np.zeros((46, 55, 46, 2), np.float32), affine)
    for strategy in ("whole-brain-template", "template"):
        mask = NiftiMasker(mask_strategy=strategy).fit(target).mask_img_
        litres = np.asarray(mask.dataobj).sum() * 4**3 / 1e6
        assert 1.7 < litres < 2
    assert (TEMPLATES_FOLDER / TEMPLATE / "LICENSE").is_file()


def write_empty(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((), None),
        (("tpl-A/tpl-A_res-01_T1w.nii.gz",), "tpl-A_res-01_T1w.nii.gz"),
        (
            ("tpl-A/tpl-A_res-01_T1w.nii.gz", "tpl-A/tpl-A_res-02_T1w.nii.gz"),
            "tpl-A_res-02_T1w.nii.gz",  # the coarsest
        ),
        (
            ("tpl-A/tpl-A_res-02_desc-brain_T1w.nii.gz", "tpl-A/tpl-A_res-01_T1w.nii.gz"),
            "tpl-A_res-01_T1w.nii.gz",  # the whole head
        ),
        (("tpl-A/tpl-A_space-B_T1w.nii.gz",), None),
        (("tpl-A/tpl-B_T1w.nii.gz",), None),
        (("tpl-A/cohort-1/tpl-A_cohort-1_T1w.nii.gz",), None),
        (("tpl-A/tpl-A_T2w.nii.gz", "tpl-A/tpl-A_desc-brain_mask.nii.gz"), None),
    ],
)
def test_the_anatomy_of_a_template_is_found_by_its_name(tmp_path, monkeypatch, names, found):
    home = write_empty(tmp_path, *names)
    monkeypatch.setattr("bidsmask.maskers.templates.template_homes", lambda: (home,))
    path = anatomy_of("A")
    assert (path and path.name) == found


def test_a_cohort_is_part_of_the_space(tmp_path, monkeypatch):
    home = write_empty(tmp_path, "tpl-A/cohort-2/tpl-A_cohort-2_res-1_T1w.nii.gz")
    monkeypatch.setattr("bidsmask.maskers.templates.template_homes", lambda: (home,))
    assert anatomy_of("A+2").name == "tpl-A_cohort-2_res-1_T1w.nii.gz"
    assert anatomy_of("A+1") is None


def test_a_place_that_is_kept_for_a_file_is_no_template(tmp_path, monkeypatch):
    (tmp_path / "tpl-A").mkdir()
    (tmp_path / "tpl-A" / "tpl-A_T1w.nii.gz").touch()
    second = write_empty(tmp_path / "second", "tpl-A/tpl-A_res-01_T1w.nii.gz")
    homes = (tmp_path, tmp_path / "nowhere", second)
    monkeypatch.setattr("bidsmask.maskers.templates.template_homes", lambda: homes)
    assert anatomy_of("A").parent.parent == second


def test_no_anatomy_is_ever_fetched(tmp_path, monkeypatch):
    def fail(name):
        raise AssertionError(name)

    monkeypatch.setattr("bidsmask.maskers.templates.template_homes", lambda: (tmp_path,))
    monkeypatch.setattr("bidsmask.maskers.templates.download", fail)
    assert anatomy_of("MNI152NLin2009cAsym") is None
