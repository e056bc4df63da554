"""Columns of smoothed runs on surfaces: one arithmetic, whatever the file, kind and statistic."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from worlds import surface_files as files
from worlds.meshes import ball, needs_workbench, workbench, write_mesh

from bidsmask.columns.extract import extract
from bidsmask.columns.maps import place_maps
from bidsmask.columns.request import Request
from bidsmask.columns.surface_labels import SurfaceLabels, place_surface_regions
from bidsmask.columns.surface_maps import SurfaceMaps, maps_on
from bidsmask.columns.surface_seeds import VertexSeed, place_surface_seeds
from bidsmask.columns.table import LookUpTable
from bidsmask.columns.voxels import place_voxels
from bidsmask.errors import SpaceError
from bidsmask.images.surface_series import open_surfaces
from bidsmask.images.surface_smoothing import smoothed_series, smoothing_between

N_LEFT, N_RIGHT, T = 130, 110, 30
N = N_LEFT + N_RIGHT
FWHM = 14.0
MESHES = {"CORTEX_LEFT": ball(N_LEFT), "CORTEX_RIGHT": ball(N_RIGHT, seed=1)}
IJK = np.argwhere(np.ones((3, 4, 3)))
UNMEASURED = np.r_[3:9, 60, 140, 200:204]
"""Vertices: NaN in one volume, or the same in all."""


@pytest.fixture(scope="module")
def values():
    values = 1000 + 20 * np.random.default_rng(3).normal(size=(N + len(IJK), T))
    values[UNMEASURED[::2], 5] = np.nan
    values[UNMEASURED[1::2]] = 0.0
    return values.astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, values):
    """The vertices as a CIFTI file, as a pair of GIFTI files, and with voxels."""
    folder = tmp_path_factory.mktemp("runs")
    axis = files.brain_axis(N_LEFT, N_RIGHT)
    single = values.astype(np.float32)
    pair = {
        "left": files.write_func(folder / "L.func.gii", single[:N_LEFT], "L"),
        "right": files.write_func(folder / "R.func.gii", single[N_LEFT:N], "R"),
    }
    cifti = files.write_dtseries(folder / "a.dtseries.nii", single[:N].T, axis)
    both = files.brain_axis(N_LEFT, N_RIGHT, ijk=IJK)
    with_voxels = files.write_dtseries(folder / "b.dtseries.nii", single.T, both)
    opened = {"pair": pair, "cifti": cifti, "with voxels": with_voxels}
    return {name: open_surfaces(run).on_meshes(MESHES) for name, run in opened.items()}


def regions(places):
    codes = np.arange(places.n_voxels) % 7
    codes[UNMEASURED[:4]] = 7  # of which nothing was measured
    table = LookUpTable(ids=tuple(range(1, 8)), names=tuple("abcdefg"))
    return place_surface_regions(SurfaceLabels(places=places, codes=codes, table=table), places)


def maps(places):
    weights = np.random.default_rng(1).random((3, places.n_voxels)) ** 4
    return place_maps(maps_on(SurfaceMaps(places=places, weights=weights), places))


def discs(places):
    seeds = [
        VertexSeed(structure="CORTEX_LEFT", vertex=vertex, radius_mm=9) for vertex in (2, 20, 21)
    ]
    return place_surface_seeds(seeds, MESHES, places)


def everywhere(places):
    return place_voxels(np.arange(places.n_voxels), places)


KINDS = {
    "means of regions": (regions, "mean"),
    "medians of regions": (regions, "median"),
    "eigenvariates": (regions, "first_eigenvariate"),
    "maps, fitted": (maps, "least_squares"),
    "maps, averaged": (maps, "weighted_mean"),
    "discs": (discs, "mean"),
    "places": (everywhere, "mean"),
}


def request(kind, places, **how):
    make, statistic = KINDS[kind]
    return Request(columns=make(places), statistic=statistic, smoothing_fwhm=FWHM, **how)


def smoothed_by_hand(values, n_places):
    """Values (V, T), smoothed among what was measured; the rest as it is."""
    measured = np.isfinite(values).all(axis=1) & (np.ptp(values, axis=1) > 0)
    places = open_places(n_places)
    smoothing = smoothing_between(places, MESHES, FWHM, measured).toarray()
    assert not smoothing[measured][:, ~measured].any()
    smooth = values.copy()
    smooth[measured] = smoothing[measured][:, measured] @ values[measured]
    return smooth


def open_places(n_places):
    from bidsmask.images.cifti import parse_axes

    axis = files.brain_axis(N_LEFT, N_RIGHT, ijk=IJK if n_places > N else None)
    header = nib.cifti2.Cifti2Header.from_axes((nib.cifti2.SeriesAxis(0, 2, T), axis))
    return parse_axes(header.to_xml(), "made here").grayordinates


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", ["pair", "cifti", "with voxels"])
def test_smoothing_and_reading_is_reading_what_was_smoothed(runs, values, run, kind, tmp_path):
    """Folded or not: the columns of a file whose values are smooth already."""
    series = runs[run]
    n_places = series.grid.n_voxels
    smooth = smoothed_by_hand(values[:n_places], n_places)
    axis = files.brain_axis(N_LEFT, N_RIGHT, ijk=IJK if n_places > N else None)
    written = files.write_dtseries(tmp_path / "smooth.dtseries.nii", smooth.T, axis)
    wanted = request(kind, series.grid, keep_unmeasured=True)
    (found,) = extract(series, [wanted])
    (expected,) = extract(open_surfaces(written), [replace(wanted, smoothing_fwhm=None)])
    np.testing.assert_allclose(found.signals, expected.signals, rtol=1e-6)
    for name in ("n_covered", "share", "still"):
        ours, theirs = (getattr(each.coverage, name) for each in (found, expected))
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(found.used, expected.used)
    support = wanted.columns.support
    np.testing.assert_array_equal(found.finite[support], expected.finite[support])


@pytest.mark.parametrize("kind", KINDS)
def test_a_cifti_file_and_the_pair_of_the_same_values_give_the_same(runs, kind):
    one, other = (
        extract(runs[run], [request(kind, runs[run].grid)])[0].signals for run in ("pair", "cifti")
    )
    np.testing.assert_allclose(one, other, rtol=2e-7 if "places" in kind else 1e-9)


def test_what_else_is_asked_for_changes_nothing(runs):
    for series in runs.values():
        wanted = [request(kind, series.grid) for kind in KINDS]
        plain = [replace(each, smoothing_fwhm=None) for each in wanted]
        wide = [replace(each, smoothing_fwhm=20.0) for each in wanted]
        together = extract(series, [*plain, *wanted, *wide])
        for each, among in zip([*plain, *wanted, *wide], together, strict=True):
            (alone,) = extract(series, [each])
            np.testing.assert_array_equal(among.signals, alone.signals)


def test_what_looks_at_blocks_sees_them_once_and_not_smoothed(runs):
    for series in runs.values():
        blocks = []
        look = lambda where, block, into=blocks: into.append(block.copy())  # noqa: E731
        extract(series, [request("means of regions", series.grid)], see=[look])
        axis = 0 if series.by_points else -1
        seen = np.concatenate(blocks) if axis == 0 else np.concatenate(blocks)[:, 0, 0].T
        np.testing.assert_array_equal(seen, series.values())


def test_missing_same_and_absent_vertices_are_one_thing(runs, values, tmp_path):
    left = np.setdiff1d(np.arange(N_LEFT), UNMEASURED)
    right = np.setdiff1d(np.arange(N_RIGHT), UNMEASURED - N_LEFT)
    axis = files.brain_axis(N_LEFT, N_RIGHT, left, right)
    kept = values[:N][np.r_[left, N_LEFT + right]].astype(np.float32)
    absent = open_surfaces(files.write_dtseries(tmp_path / "a.dtseries.nii", kept.T, axis))
    whole = runs["cifti"]
    labels = np.arange(N) % 7
    table = LookUpTable(ids=tuple(range(1, 7)), names=tuple("abcdef"))
    atlas = SurfaceLabels(places=whole.grid, codes=labels, table=table)
    signals = []
    for series in (whole, absent.on_meshes(MESHES)):
        columns = place_surface_regions(atlas, series.grid)
        (found,) = extract(series, [Request(columns=columns, smoothing_fwhm=FWHM)])
        signals.append(found.signals)
    np.testing.assert_allclose(*signals, rtol=1e-12)


def test_a_mesh_of_another_density_is_refused(runs):
    other = MESHES | {"CORTEX_RIGHT": ball(99)}
    with pytest.raises(SpaceError, match="has 99 vertices, and the run is of one of 110"):
        extract(runs["cifti"].on_meshes(other), [request("means of regions", runs["cifti"].grid)])


def test_a_smoothed_run_is_read_alike_in_blocks_and_by_places(runs):
    for series in runs.values():
        measured = np.ones(series.grid.n_voxels, dtype=bool)
        smoothing = smoothing_between(series.grid, MESHES, FWHM, measured)
        smooth = smoothed_series(series, smoothing)
        whole = smooth.values()
        if series.by_points:
            blocks = np.concatenate([block for _, block in smooth.point_blocks()])
            np.testing.assert_allclose(blocks, whole, rtol=1e-6)
        volumes = np.concatenate([block[:, 0, 0] for _, block in smooth.blocks()])
        np.testing.assert_allclose(volumes.T, whole, rtol=1e-6)


@needs_workbench
def test_grayordinates_are_smoothed_as_by_workbench(tmp_path, values):
    """Voxels differ a little: Workbench cuts their kernel off at the sides of a box."""
    known = np.where(np.isfinite(values), values, 0)
    axis = files.brain_axis(N_LEFT, N_RIGHT, ijk=IJK)
    run = files.write_dtseries(tmp_path / "a.dtseries.nii", known.T.astype(np.float32), axis)
    surfaces = [
        word
        for side, letter in (("LEFT", "L"), ("RIGHT", "R"))
        for word in (
            f"-{side.lower()}-surface",
            write_mesh(tmp_path / f"{letter}.surf.gii", MESHES[f"CORTEX_{side}"], letter),
        )
    ]
    smooth = tmp_path / "smooth.dtseries.nii"
    workbench("-cifti-smoothing", run, FWHM, 6, "COLUMN", smooth, "-fwhm", *surfaces)
    theirs = nib.load(smooth).get_fdata().T
    places = open_places(len(values))
    everything = np.ones(len(values), dtype=bool)
    ours = smoothing_between(places, MESHES, FWHM, everything) @ known
    voxels = smoothing_between(places, MESHES, 6, everything)[N:, N:] @ known[N:]
    np.testing.assert_allclose(ours[:N], theirs[:N], rtol=1e-5)
    away = np.abs(voxels - theirs[N:]) / theirs[N:].std()
    assert away.max() < 0.1
    assert np.median(away) < 0.02
