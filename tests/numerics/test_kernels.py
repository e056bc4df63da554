import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.meshes import ball, needs_workbench, white_surface, workbench, write_mesh

from bidsmask.images.meshes import Mesh
from bidsmask.numerics.geodesics import edge_lengths
from bidsmask.numerics.kernels import among, mesh_kernel, voxel_kernel
from bidsmask.numerics.mesh import vertex_areas

BALL = ball(300)
ALL = np.ones(300, dtype=bool)
WORKBENCH_TOLERANCE = 1e-5
"""Of a standard deviation; single precision is all that Workbench has. Where a vertex lies just 3
standard deviations away, it may count there and not here: `BORDERLINE`."""
BORDERLINE = 0.02


def kernel_of(mesh, fwhm):
    return mesh_kernel(mesh.coordinates, mesh.faces, fwhm)


@given(st.floats(0.1, 15), st.floats(-1e3, 1e3), st.integers(0, 5))
@settings(max_examples=15)
def test_what_is_the_same_everywhere_stays(fwhm, level, seed):
    known = np.random.default_rng(seed).random(300) > 0.3
    values = np.where(known, level, 1e9)
    smooth = among(kernel_of(BALL, fwhm), known) @ values
    np.testing.assert_allclose(smooth[known], level, rtol=1e-12, atol=1e-300)
    np.testing.assert_array_equal(smooth[~known], 1e9)


@given(st.floats(0.1, 15), st.integers(0, 5))
@settings(max_examples=15)
def test_what_is_not_known_gets_nowhere(fwhm, seed):
    rng = np.random.default_rng(seed)
    known = rng.random(300) > 0.5
    values = np.where(known, rng.normal(size=300), np.nan)
    smooth = among(kernel_of(BALL, fwhm), known) @ values
    np.testing.assert_array_equal(np.isfinite(smooth), known)


@given(st.floats(0.1, 15))
@settings(max_examples=10)
def test_a_vertex_gives_away_its_own_area(fwhm):
    """The adjoint of the kernel keeps areas: Σ over receivers of area times weight."""
    areas = vertex_areas(BALL.coordinates, BALL.faces)
    np.testing.assert_allclose(kernel_of(BALL, fwhm).T @ areas, areas, rtol=1e-9)


@given(st.floats(6, 15))
@settings(max_examples=10)
def test_what_two_vertices_give_each_other_is_the_same_but_for_what_they_have(fwhm):
    kernel = kernel_of(BALL, fwhm).toarray()
    given = kernel / np.diag(kernel)  # column by column: exp(-d²/2σ²)
    np.testing.assert_allclose(given, given.T, atol=1e-12)
    assert ((given >= 0) & (given <= 1)).all()


@given(st.floats(0.1, 10), st.floats(0.1, 10))
@settings(max_examples=10)
def test_the_unit_of_length_changes_nothing(fwhm, scale):
    larger = mesh_kernel(BALL.coordinates * scale, BALL.faces, fwhm * scale)
    difference = abs(larger - kernel_of(BALL, fwhm)).max()
    assert difference < 0.02  # a vertex just three standard deviations away may be in or out


def test_the_order_of_vertices_changes_nothing():
    order = np.random.default_rng(0).permutation(300)
    number = np.argsort(order)
    moved = mesh_kernel(BALL.coordinates[order], number[BALL.faces], 8)
    np.testing.assert_allclose(
        moved.toarray(), kernel_of(BALL, 8).toarray()[order][:, order], rtol=1e-9
    )


@pytest.mark.parametrize("fwhm", [6, 9, 15])
def test_the_width_is_what_was_asked_for(fwhm):
    """Of the spot that a single vertex becomes, on a fine and nearly flat mesh."""
    mesh = ball(6000, radius=60.0)
    spot = np.zeros(6000)
    spot[0] = 1
    smooth = among(kernel_of(mesh, fwhm), np.ones(6000, dtype=bool)) @ spot
    squares = ((mesh.coordinates - mesh.coordinates[0]) ** 2).sum(axis=1)
    measured = np.sqrt(8 * np.log(2)) * np.sqrt((smooth * squares).sum() / smooth.sum() / 2)
    assert measured == pytest.approx(fwhm, rel=0.1)


def test_a_vertex_without_a_triangle_keeps_its_value():
    coordinates = np.vstack([BALL.coordinates, [99.0, 99, 99]])
    values = np.arange(301.0)
    smooth = among(mesh_kernel(coordinates, BALL.faces, 8), np.ones(301, dtype=bool)) @ values
    assert smooth[300] == 300
    assert np.isfinite(smooth).all()


def test_a_narrow_kernel_changes_little_and_never_in_steps():
    values = np.random.default_rng(0).normal(size=300)
    changes = [
        np.abs(among(kernel_of(BALL, fwhm), ALL) @ values - values).mean()
        for fwhm in (0.5, 1, 1.5, 2, 3, 4)
    ]
    assert (np.diff(changes) > 0).all()


def test_a_flat_square_by_hand():
    """Four corners 2 mm apart, the kernel's weights are 1/2 along a side and 1/4 across."""
    corners = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    areas, near = np.array([4, 2, 4, 2]) / 3, np.array([0, 0.5, 0.25, 0.5])
    gaussian = np.array([np.roll(np.r_[1, near[1:]], each) for each in range(4)])
    given = gaussian * areas[:, np.newaxis] / (gaussian @ areas)[:, np.newaxis]
    np.testing.assert_allclose(mesh_kernel(corners, faces, 4).toarray(), given.T, atol=1e-12)


@given(st.floats(1, 10), st.integers(0, 5))
@settings(max_examples=10)
def test_voxels_are_smoothed_by_their_distance(fwhm, seed):
    ijk = np.unique(np.random.default_rng(seed).integers(0, 6, (60, 3)), axis=0) * 2.0
    squares = ((ijk[:, np.newaxis] - ijk) ** 2).sum(axis=2)
    sigma = fwhm / np.sqrt(8 * np.log(2))
    expected = np.where(squares <= 9 * sigma**2, np.exp(-squares / 2 / sigma**2), 0)
    np.testing.assert_allclose(voxel_kernel(ijk, fwhm).toarray(), expected, atol=1e-12)


# Workbench as a witness


@needs_workbench
@pytest.mark.parametrize("fwhm", [1, 2, 4, 6, 8])
def test_smoothing_is_that_of_workbench(tmp_path, fwhm):
    mesh = white_surface()
    values = np.random.default_rng(1).normal(size=mesh.n_vertices).astype(np.float32)
    theirs = smoothed_by_workbench(tmp_path, mesh, values, fwhm)
    ours = among(kernel_of(mesh, fwhm), np.ones(mesh.n_vertices, dtype=bool)) @ values
    away = np.abs(ours - theirs) / theirs.std()
    assert np.quantile(away, 0.99) < WORKBENCH_TOLERANCE
    assert away.max() < BORDERLINE


@needs_workbench
@pytest.mark.parametrize("edges", [0.6, 0.8, 0.95, 1.1])
def test_a_kernel_as_narrow_as_an_edge_is_that_of_workbench(tmp_path, edges):
    """Whether a vertex gives to its neighbours, or to what is in reach, differs by vertex."""
    for mesh in (BALL, sheet(8)):
        lengths = edge_lengths(mesh.coordinates, mesh.faces).tocsr().data
        values = np.random.default_rng(1).normal(size=mesh.n_vertices).astype(np.float32)
        fwhm = edges * float(np.median(lengths))
        theirs = smoothed_by_workbench(tmp_path, mesh, values, fwhm)
        ours = among(kernel_of(mesh, fwhm), np.ones(mesh.n_vertices, dtype=bool)) @ values
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def sheet(side):
    """A flat grid with a border, whose columns stand farther apart the farther they are right."""
    rows, columns = np.mgrid[:side, :side].reshape(2, -1).astype(float)
    coordinates = np.column_stack([2 * columns * (1 + columns / 5), 2 * rows, 0 * rows])
    first = np.arange(side * side).reshape(side, side)[:-1, :-1].ravel()
    halves = [(first, first + 1, first + side), (first + 1, first + side + 1, first + side)]
    faces = np.concatenate([np.column_stack(half) for half in halves])
    return Mesh(coordinates=coordinates, faces=faces)


@needs_workbench
def test_smoothing_beside_what_is_not_known_is_that_of_workbench_in_a_region(tmp_path):
    mesh = white_surface()
    rng = np.random.default_rng(1)
    values = rng.normal(size=mesh.n_vertices).astype(np.float32)
    known = rng.random(mesh.n_vertices) > 0.3
    roi = write_metric(tmp_path / "roi.func.gii", known)
    theirs = smoothed_by_workbench(tmp_path, mesh, values, 6, "-roi", roi)
    ours = among(kernel_of(mesh, 6), known) @ values
    away = np.abs(ours - theirs)[known] / theirs[known].std()
    assert np.quantile(away, 0.99) < WORKBENCH_TOLERANCE
    assert away.max() < BORDERLINE


def smoothed_by_workbench(folder, mesh, values, fwhm, *words):
    surface = write_mesh(folder / "l.surf.gii", mesh)
    metric = write_metric(folder / "values.func.gii", values)
    smooth = folder / "smooth.func.gii"
    workbench("-metric-smoothing", surface, metric, fwhm, smooth, "-fwhm", *words)
    return nib.load(smooth).agg_data()


def write_metric(path, values):
    image = nib.GiftiImage(
        darrays=[
            nib.gifti.GiftiDataArray(
                np.asarray(values, dtype=np.float32),
                intent="NIFTI_INTENT_NONE",
                datatype="NIFTI_TYPE_FLOAT32",
            )
        ]
    )
    image.meta["AnatomicalStructurePrimary"] = "CortexLeft"
    nib.save(image, path)
    return path
