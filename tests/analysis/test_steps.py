"""Steps of a run, held against the maskers."""

import dataclasses

import numpy as np
import pytest
from worlds import surface_dataset, surface_files
from worlds.meshes import ball, write_mesh

from bidsmask import NiftiLabelsMasker
from bidsmask.analysis.steps import everywhere, extract_run, place_sources, take_sample
from bidsmask.analysis.store import PlacedSources
from bidsmask.dataset.atlases import find_atlas
from bidsmask.dataset.run_meshes import Whereabouts
from bidsmask.errors import DegreesOfFreedomError, ImageError, SpaceError
from bidsmask.images.bold import open_bold
from bidsmask.images.stream import BoldStream
from bidsmask.images.surface_series import open_surfaces
from bidsmask.images.volumes import load_mask
from bidsmask.settings import ConnectivitySettings, CoverageSettings, ExtractionSettings
from bidsmask.vocabulary import STATISTICS

ANY = CoverageSettings(min_coverage=0.0)


@pytest.fixture(scope="module")
def world(small_dataset):
    """A run, an atlas, and the grid and mask of the run."""
    files = small_dataset.runs[0]
    grid = BoldStream(files.bold).grid
    atlas = find_atlas(small_dataset.atlas, space=None, homes=(), download=False)
    return files, atlas, grid, load_mask(files.mask, grid)


def read(world, settings, n_atlases=1):
    """Read the atlas off the run, as often as it is asked for."""
    files, atlas, grid, mask = world
    sources = (atlas,) * n_atlases
    placed = place_sources(sources, grid, mask, settings.maps_statistic)
    return extract_run([files.bold], placed, placed.of(sources), settings, ANY)


@pytest.mark.parametrize("fwhm_mm", [0.0, 5.0])
def test_every_statistic_is_that_of_the_masker_whatever_else_is_asked_for(world, fwhm_mm):
    files, atlas, _, _ = world
    settings = ExtractionSettings(statistics=tuple(STATISTICS), smoothing_fwhm_mm=fwhm_mm)
    extracted, coverage = read(world, settings, n_atlases=2)
    assert [len(of_atlas) for of_atlas in extracted.signals] == [len(STATISTICS)] * 2
    for number, strategy in enumerate(STATISTICS.values()):
        masker = NiftiLabelsMasker(
            str(atlas.files[0]),
            mask_img=str(files.mask),
            strategy=strategy,
            smoothing_fwhm=fwhm_mm or None,
            keep_empty=True,
            standardize=None,
        )
        expected = masker.fit_transform(str(files.bold))
        for of_atlas, table in zip(extracted.signals, coverage, strict=True):
            scale = np.nanstd(expected)
            np.testing.assert_allclose(of_atlas[number], expected, rtol=0, atol=1e-5 * scale)
            assert table.table["reason"].tolist() == masker.coverage_["reason"].tolist()


@pytest.mark.parametrize("fwhm_mm", [0.0, 5.0])
def test_a_statistic_does_not_depend_on_the_others(world, fwhm_mm):
    alone, together = (
        read(world, ExtractionSettings(statistics=statistics, smoothing_fwhm_mm=fwhm_mm))[0]
        for statistics in [("median",), ("eigenvariate", "median", "mean")]
    )
    np.testing.assert_array_equal(alone.signals[0][0], together.signals[0][1])


def test_values_come_back_from_their_files_as_they_were(world, tmp_path):
    extracted, _ = read(world, ExtractionSettings(statistics=("mean", "std")), n_atlases=2)
    extracted.save(tmp_path / "extracted.npz")
    loaded = type(extracted).load(tmp_path / "extracted.npz")
    assert [len(of_atlas) for of_atlas in loaded.signals] == [2, 2]
    np.testing.assert_array_equal(loaded.signals[1][1], extracted.signals[1][1])
    np.testing.assert_array_equal(loaded.carpet, extracted.carpet)
    np.testing.assert_array_equal(loaded.nonfinite, extracted.nonfinite)


def test_a_source_that_cannot_be_placed_costs_no_other(world, tmp_path):
    _, atlas, grid, mask = world
    damaged = tmp_path / "damaged_dseg.nii.gz"
    damaged.write_bytes(atlas.files[0].read_bytes()[:-50])
    sources = (dataclasses.replace(atlas, files=(damaged,)), atlas)
    placed = place_sources(sources, grid, mask, "least-squares")
    assert placed.numbers == (1,)
    assert placed.of(sources) == (atlas,)
    (lost,) = placed.lost
    assert (lost.part, lost.name, lost.kind) == ("atlas", atlas.name, "ImageError")
    assert "damaged_dseg.nii.gz" in lost.reason
    placed.save(tmp_path / "placed.npz")
    loaded = PlacedSources.load(tmp_path / "placed.npz", sources)
    assert (loaded.numbers, loaded.lost) == (placed.numbers, placed.lost)
    assert loaded.grid == grid
    np.testing.assert_array_equal(loaded.mask, mask)
    np.testing.assert_array_equal(loaded.columns[0].codes, placed.columns[0].codes)


def test_without_any_source_that_can_be_placed_there_is_no_run(world, tmp_path):
    _, atlas, grid, mask = world
    gone = dataclasses.replace(atlas, files=(tmp_path / "gone_dseg.nii.gz",))
    with pytest.raises(ImageError, match="gone_dseg"):
        place_sources((gone, gone), grid, mask, "least-squares")


def test_an_atlas_that_lies_elsewhere_is_refused(world):
    _, atlas, grid, mask = world
    affine = np.array(grid.affine)
    affine[:3, 3] += 500
    elsewhere = dataclasses.replace(grid, affine=affine)
    with pytest.raises(SpaceError, match="same space"):
        place_sources((atlas,), elsewhere, mask, "least-squares")


def test_volumes_that_are_drawn_keep_their_places_and_their_share_of_freedom():
    sample_mask = np.arange(40) % 4 != 0
    signals = np.flatnonzero(sample_mask)[:, np.newaxis] * np.ones(3)
    settings = ConnectivitySettings(create_matrices=(0.5,))
    whole = take_sample(signals, sample_mask, 20, settings, t_r=2.0)
    drawn = take_sample(signals, sample_mask, 20, settings, t_r=2.0, minutes=0.5)
    np.testing.assert_array_equal(whole.sample_mask, sample_mask)
    np.testing.assert_array_equal(np.flatnonzero(drawn.sample_mask), drawn.signals[:, 0])
    assert (len(drawn.signals), drawn.dof) == (15, 10)


def test_more_minutes_than_are_kept_cannot_be_drawn():
    settings = ConnectivitySettings(create_matrices=(5,))
    with pytest.raises(DegreesOfFreedomError, match="asks for 150"):
        take_sample(np.ones((30, 2)), np.ones(30, dtype=bool), 9, settings, t_r=2.0, minutes=5)


def test_the_carpet_of_surfaces_has_no_row_of_the_medial_wall(tmp_path):
    values = np.random.default_rng(0).normal(1000, 20, (21, 8)).astype(np.float32)
    wall = np.isin(np.arange(21), [0, 7, 12])
    values[wall] = 0
    values[5, 3] = np.nan
    pair = [
        surface_files.write_func(tmp_path / "lh.func.gii", values[:12], "L"),
        surface_files.write_func(tmp_path / "rh.func.gii", values[12:], "R"),
    ]
    grid = open_bold(pair).grid
    placed = PlacedSources(mask=everywhere(grid), grid=grid, numbers=(), columns=(), lost=())
    extracted, _ = extract_run(pair, placed, (), ExtractionSettings(), ANY)
    wall[5] = True
    np.testing.assert_allclose(extracted.carpet, values[~wall].T)
    np.testing.assert_array_equal(extracted.measured, ~wall)


def test_a_mesh_that_cannot_be_read_costs_centroids_and_nothing_else(tmp_path):
    atlas_file = surface_dataset.write_dlabel(tmp_path)
    lattice = open_surfaces(atlas_file, "fsLR").grid
    atlas = find_atlas(atlas_file, space="fsLR", homes=(), download=False, lattice=lattice)
    broken = write_mesh(tmp_path / "hemi-L_midthickness.surf.gii", ball(surface_dataset.LEFT))
    broken.write_bytes(broken.read_bytes()[:-200])
    asked = [(atlas,), lattice, everywhere(lattice), "least-squares"]
    with pytest.warns(UserWarning, match=r"Where vertices are is not known\. .*hemi-L"):
        placed = place_sources(*asked, places=Whereabouts(files=(("CORTEX_LEFT", broken),)))
    measured = everywhere(lattice)
    found = placed.columns[0].centroids(measured)
    np.testing.assert_array_equal(found, place_sources(*asked).columns[0].centroids(measured))
    assert np.isfinite(found).any(axis=1).sum() == 1  # the thalamus, which is of voxels
