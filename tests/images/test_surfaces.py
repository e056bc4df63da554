"""Images on surfaces in the functions of images: nilearn's numbers, in nilearn's own type."""

import copy

import numpy as np
import pytest
from scipy.spatial import ConvexHull

import bidsmask
from bidsmask import image
from bidsmask.errors import SpaceError

surface = pytest.importorskip("nilearn.surface")
pytestmark = pytest.mark.filterwarnings("ignore")

N_SAMPLES = 40


def _mesh(n_vertices, seed):
    points = np.random.default_rng(seed).normal(size=(n_vertices, 3))
    points *= 10 / np.linalg.norm(points, axis=1, keepdims=True)
    return surface.InMemoryMesh(points, ConvexHull(points).simplices)


MESH = surface.PolyMesh(left=_mesh(30, 0), right=_mesh(20, 1))


def _image(n_samples=N_SAMPLES, seed=0):
    rng = np.random.default_rng(seed)
    return surface.SurfaceImage(
        MESH,
        {
            name: rng.normal(100, 5, (mesh.n_vertices, n_samples))
            for name, mesh in MESH.parts.items()
        },
    )


def _single(seed=0):
    several = _image(1, seed)
    parts = {name: values[:, 0] for name, values in several.data.parts.items()}
    return surface.SurfaceImage(MESH, parts)


MASK = surface.SurfaceImage(MESH, {"left": np.arange(30) % 2.0, "right": np.ones(20)})

CALLS = {
    "index_img": lambda m, a, b: m.index_img(a, 3),
    "index_img, a slice": lambda m, a, b: m.index_img(a, slice(2, 5)),
    "index_img, bools": lambda m, a, b: m.index_img(a, np.arange(N_SAMPLES) % 2 == 0),
    "iter_img": lambda m, a, b: list(m.iter_img(a))[7],
    "concat_imgs": lambda m, a, b: m.concat_imgs([a, b]),
    "concat_imgs, their type": lambda m, a, b: m.concat_imgs([a, b], dtype=None),
    "mean_img": lambda m, a, b: m.mean_img(a),
    "mean_img of several": lambda m, a, b: m.mean_img([a, b]),
    "math_img": lambda m, a, b: m.math_img("np.mean(x, axis=-1) - y[..., 0]", x=a, y=b),
    "new_img_like": lambda m, a, b: m.new_img_like(a, {k: v * 2 for k, v in b.data.parts.items()}),
    "smooth_img": lambda m, a, b: m.smooth_img(a, 6.0),
    "smooth_img of several": lambda m, a, b: m.smooth_img([a, b], 4)[1],
    "smooth_img by nothing": lambda m, a, b: m.smooth_img(a, None),
    "clean_img": lambda m, a, b: m.clean_img(a, standardize=None, low_pass=0.1, t_r=2.0),
    "clean_img in a mask": lambda m, a, b: m.clean_img(a, standardize="psc", mask_img=MASK),
}


@pytest.mark.parametrize("call", CALLS)
def test_functions_of_images_give_what_nilearns_give(call):
    theirs_module = pytest.importorskip("nilearn.image")
    given = _image(), _image(seed=1)
    before = copy.deepcopy([each.data.parts for each in given])
    ours, theirs = (CALLS[call](module, *given) for module in (image, theirs_module))
    assert type(ours) is surface.SurfaceImage
    for name, expected in theirs.data.parts.items():
        values = ours.data.parts[name]
        assert values.shape == expected.shape
        assert values.dtype == expected.dtype
        # nilearn averages the means of several images in single precision
        tolerance = 2e-5 if call == "mean_img of several" else 1e-6
        np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * np.std(expected))
    for each, parts in zip(given, before, strict=True):
        for name, values in parts.items():
            np.testing.assert_array_equal(each.data.parts[name], values)


@pytest.mark.parametrize("fwhm", [None, 0, 5])
def test_what_a_mask_picks_is_nilearns(fwhm):
    theirs = pytest.importorskip("nilearn.masking").apply_mask(_image(), MASK, smoothing_fwhm=fwhm)
    ours = bidsmask.apply_mask(_image(), MASK, smoothing_fwhm=fwhm)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert bidsmask.apply_mask(_single(), MASK).shape == ours.shape[1:]


@pytest.mark.parametrize("mask", [None, MASK])
def test_what_varies_most_is_nilearns(mask):
    options = {"n_confounds": 2, "percentile": 20.0, "mask_img": mask}
    theirs = pytest.importorskip("nilearn.image").high_variance_confounds(_image(), **options)
    ours = bidsmask.high_variance_confounds(_image(), **options)
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-8)


def test_a_single_sample_stays_as_it_is():
    """nilearn gives the image of the caller a second axis."""
    single = _single()
    assert list(image.iter_img(single)) == [single]
    assert image.mean_img(single).data.parts["left"].shape == (30,)
    assert single.data.parts["left"].shape == (30,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: image.index_img(_single(), 0), ValueError, "should be 2D"),
        (lambda: image.clean_img(_single()), ValueError, "should be 2D"),
        (lambda: image.index_img(_image(), N_SAMPLES), IndexError, "out of bounds"),
        (lambda: image.smooth_img(_image(), [1, 2, 3]), TypeError, "'fwhm' must be a scalar"),
        (lambda: image.clean_img(_image(), low_pass=0.1), ValueError, "must be specified"),
        (lambda: image.math_img("np.lgo(a)", a=_image()), AttributeError, "couldn't be processed"),
        (lambda: image.load_img(_image()), TypeError, "on surfaces are not offered here"),
        (lambda: bidsmask.NiftiMasker().fit(_image()), TypeError, "on surfaces are not offered"),
    ],
)
def test_what_cannot_be_done_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def _other_meshes():
    left = MESH.parts["left"]
    moved = surface.InMemoryMesh(left.coordinates + 1, left.faces)
    yield surface.PolyMesh(left=moved, right=MESH.parts["right"])
    yield surface.PolyMesh(left=_mesh(31, 0), right=MESH.parts["right"])
    yield surface.PolyMesh(left=left)


@pytest.mark.parametrize("mesh", list(_other_meshes()))
def test_images_on_other_meshes_are_refused_together(mesh):
    other = surface.SurfaceImage(
        mesh, {name: np.ones((part.n_vertices, 2)) for name, part in mesh.parts.items()}
    )
    with pytest.raises(SpaceError):
        image.concat_imgs([_image(2), other])
    with pytest.raises(SpaceError):
        bidsmask.apply_mask(other, MASK)


def test_a_formula_for_surfaces_takes_no_header():
    with pytest.warns(UserWarning, match="'copy_header_from' is not used with SurfaceImage"):
        image.math_img("a + 1", a=_image(), copy_header_from="a")


def test_a_width_that_comes_to_no_round_is_said():
    with pytest.warns(UserWarning, match="fwhm=0.1 mm is so narrow"):
        smoothed = image.smooth_img(_image(), 0.1)
    np.testing.assert_array_equal(smoothed.data.parts["left"], _image().data.parts["left"])
