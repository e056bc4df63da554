"""Steps of a run, held against the maskers."""

import numpy as np
import pytest

from bidsmask import NiftiLabelsMasker
from bidsmask.analysis.steps import extract_run
from bidsmask.columns.regions import load_labels, place_labels
from bidsmask.dataset.atlases import find_atlas
from bidsmask.images.stream import BoldStream
from bidsmask.images.volumes import load_mask
from bidsmask.settings import ExtractionSettings
from bidsmask.vocabulary import STATISTICS


@pytest.fixture(scope="module")
def world(small_dataset):
    """A run and its mask, and an atlas on its grid."""
    files = small_dataset.runs[0]
    grid = BoldStream(files.bold).grid
    atlas = find_atlas(small_dataset.atlas, space=None, homes=(), download=False)
    labels, atlas_grid = load_labels(atlas.image)
    mask = load_mask(files.mask, grid)
    return files, atlas, place_labels(labels, atlas_grid, atlas.lut.ids, grid=grid, mask=mask)


@pytest.mark.parametrize("fwhm_mm", [0.0, 5.0])
def test_every_statistic_is_that_of_the_masker_whatever_else_is_asked_for(world, fwhm_mm):
    files, atlas, placed = world
    settings = ExtractionSettings(statistics=tuple(STATISTICS), smoothing_fwhm_mm=fwhm_mm)
    extracted = extract_run(files.bold, [placed, placed], settings)
    assert [len(of_atlas) for of_atlas in extracted.signals] == [len(STATISTICS)] * 2
    for number, strategy in enumerate(STATISTICS.values()):
        masker = NiftiLabelsMasker(
            str(atlas.image),
            mask_img=str(files.mask),
            strategy=strategy,
            smoothing_fwhm=fwhm_mm or None,
            keep_empty=True,
            standardize=None,
        )
        expected = masker.fit_transform(str(files.bold))
        for of_atlas in extracted.signals:
            scale = np.nanstd(expected)
            np.testing.assert_allclose(of_atlas[number], expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("fwhm_mm", [0.0, 5.0])
def test_a_statistic_does_not_depend_on_the_others(world, fwhm_mm):
    files, _, placed = world
    alone, together = (
        extract_run(
            files.bold,
            [placed],
            ExtractionSettings(statistics=statistics, smoothing_fwhm_mm=fwhm_mm),
        )
        for statistics in [("median",), ("eigenvariate", "median", "mean")]
    )
    np.testing.assert_array_equal(alone.signals[0][0], together.signals[0][1])


def test_values_come_back_from_their_files_as_they_were(world, tmp_path):
    files, _, placed = world
    settings = ExtractionSettings(statistics=("mean", "std"))
    extracted = extract_run(files.bold, [placed, placed], settings)
    extracted.save(tmp_path / "extracted.npz")
    loaded = type(extracted).load(tmp_path / "extracted.npz")
    assert [len(of_atlas) for of_atlas in loaded.signals] == [2, 2]
    np.testing.assert_array_equal(loaded.signals[1][1], extracted.signals[1][1])
    np.testing.assert_array_equal(loaded.carpet, extracted.carpet)
    assert loaded.n_nonfinite == extracted.n_nonfinite
