"""Workbench as a witness of means of regions: where it is right, and where it is not."""

import nibabel as nib
import numpy as np
import pytest
from worlds import surface_files as files
from worlds.meshes import ball, needs_workbench, workbench, write_mesh

import bidsmask.maskers as ours

pytestmark = needs_workbench

TOLERANCE = 1e-6
"""Relative: Workbench writes float32."""

N, T = 60, 12
NAMES = {0: "???", 1: "a", 2: "b", 3: "c", 7: "d"}
KEYS = np.resize([1, 2, 3, 7, 0], 2 * N)
MESHES = {"left": ball(N), "right": ball(N, seed=1)}
AXIS = files.brain_axis(N, N)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(100, 10, (2 * N, T)).astype(np.float32)


class Folder:
    """Where a run, its labels and meshes lie, and what Workbench makes of them."""

    def __init__(self, folder):
        self.folder = folder
        self.meshes = {
            side: write_mesh(folder / f"{side}.surf.gii", mesh, side[0].upper())
            for side, mesh in MESHES.items()
        }

    def means(self, values, *words, keys=KEYS, names=NAMES, axis=AXIS):
        """Means (T, P) of Workbench, and the masker's; names of either, with what was covered."""
        run = files.write_dtseries(self.folder / "run.dtseries.nii", values.T, axis)
        labels = files.write_dlabel(self.folder / "atlas.dlabel.nii", keys, names, AXIS)
        written = self.folder / "means.ptseries.nii"
        workbench("-cifti-parcellate", run, labels, "COLUMN", written, *words)
        image = nib.load(written)
        return image.get_fdata(), list(image.header.get_axis(1).name)

    def ours(self, **how):
        masker = ours.SurfaceLabelsMasker(self.folder / "atlas.dlabel.nii", **how)
        signals = masker.fit_transform(self.folder / "run.dtseries.nii")
        return signals, [masker.region_names_[column] for column in range(signals.shape[1])]


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


# Where it is right


def test_means_and_names_are_those_of_workbench(folder, values):
    theirs, their_names = folder.means(values)
    signals, names = folder.ours()
    assert names == their_names
    np.testing.assert_allclose(signals, theirs, rtol=TOLERANCE)


def test_means_by_area_are_those_of_workbench(folder, values):
    surfaces = [
        word for side, path in folder.meshes.items() for word in (f"-{side}-area-surf", path)
    ]
    theirs, _ = folder.means(values, "-spatial-weights", *surfaces)
    signals, _ = folder.ours(area_weights=True, meshes=folder.meshes)
    np.testing.assert_allclose(signals, theirs, rtol=TOLERANCE)
    plain, _ = folder.ours()
    assert np.abs(plain - theirs).max() > 0.1


@pytest.mark.parametrize(
    ("strategy", "method"),
    [
        ("median", "MEDIAN"),
        ("standard_deviation", "STDEV"),
        ("variance", "VARIANCE"),
        ("minimum", "MIN"),
        ("maximum", "MAX"),
        ("sum", "SUM"),
    ],
)
def test_statistics_are_those_of_workbench(folder, values, strategy, method):
    theirs, _ = folder.means(values, "-method", method)
    signals, _ = folder.ours(strategy=strategy)
    np.testing.assert_allclose(signals, theirs, rtol=1e-5)


# Where it is not


def test_zeros_where_nothing_was_seen_are_averaged_in_by_workbench(folder, values):
    """Preprocessing writes 0 where it has seen nothing: 6 of 24 vertices of a region here."""
    values[np.flatnonzero(KEYS == 1)[:6]] = 0
    theirs, _ = folder.means(values)
    signals, _ = folder.ours()
    assert theirs[:, 0].mean() == pytest.approx(75, abs=2)
    assert signals[:, 0].mean() == pytest.approx(100, abs=2)


def test_a_vertex_that_is_missing_once_costs_workbench_the_region_or_changes_its_members(
    folder, values
):
    values[np.flatnonzero(KEYS == 1)[0]] = 1e4
    values[np.flatnonzero(KEYS == 1)[0], 5] = np.nan
    theirs, _ = folder.means(values)
    skipped, _ = folder.means(values, "-only-numeric")
    with pytest.warns(UserWarning, match="Non-finite"):
        signals, _ = folder.ours()
    assert np.isnan(theirs[5, 0])
    assert np.ptp(skipped[:, 0]) > 300  # the vertex counts in all volumes but one
    assert np.ptp(signals[:, 0]) < 20  # it counts in none


def test_two_keys_with_one_name_are_one_region_less_for_workbench(folder, values):
    theirs, their_names = folder.means(values, names=NAMES | {7: "a"})
    with pytest.warns(UserWarning, match="several keys share"):
        signals, names = folder.ours()
    assert (theirs.shape[1], signals.shape[1]) == (3, 4)
    assert their_names == ["a", "b", "c"]
    assert len(set(names)) == 4


def test_a_key_that_the_table_lacks_is_no_region_for_workbench(folder, values):
    theirs, _ = folder.means(values, names={0: "???", 1: "a", 2: "b", 3: "c"})
    with pytest.warns(UserWarning, match="no name for these keys"):
        signals, _ = folder.ours()
    assert (theirs.shape[1], signals.shape[1]) == (3, 4)
    np.testing.assert_allclose(signals[:, 3], values[KEYS == 7].mean(axis=0), rtol=1e-6)


def test_a_name_without_a_vertex_is_a_column_of_zeros_for_workbench(folder, values):
    theirs, their_names = folder.means(values, names=NAMES | {9: "nowhere"})
    signals, names = folder.ours(keep_empty=True)
    assert their_names == names == ["a", "b", "c", "d", "nowhere"]
    assert (theirs[:, 4] == 0).all()
    assert np.isnan(signals[:, 4]).all()


def test_a_run_that_lacks_a_vertex_of_a_region_is_refused_by_workbench(folder, values):
    kept = np.setdiff1d(np.arange(N), [5])
    axis = files.brain_axis(N, N, left=kept)
    some = np.delete(values, 5, axis=0)
    with pytest.raises(AssertionError, match="data file is missing vertex 5"):
        folder.means(some, axis=axis)
    signals, _ = folder.ours()
    members = np.setdiff1d(np.flatnonzero(KEYS == 1), [5])
    np.testing.assert_allclose(signals[:, 0], values[members].mean(axis=0), rtol=1e-6)
