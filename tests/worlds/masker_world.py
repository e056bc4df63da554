"""A small world for maskers: a run, a mask, an atlas, maps and seeds, in four orientations."""

import warnings
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bidsmask.numerics.resample import resample_nearest

SHAPE = (8, 9, 7)
N_VOLUMES = 40
T_R = 2.0
SEEDS = [(-3.0, -4.0, 2.0), (4.0, 3.0, 2.0), (-2.0, 6.0, -3.0)]


def _rotation(x, y, z):
    turn = np.eye(3)
    for axis, angle in enumerate((x, y, z)):
        i, j = [other for other in range(3) if other != axis]
        step = np.eye(3)
        step[i, i] = step[j, j] = np.cos(angle)
        step[i, j], step[j, i] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    return turn


AXES = {
    "RAS": np.diag([1.0, 1, 1]),
    "LAS": np.diag([-1.0, 1, 1]),
    "LPS": np.diag([-1.0, -1, 1]),
    "oblique": _rotation(0.12, -0.2, 0.3),
}


def centred_affine(axes, sizes, shape):
    """Affine of a lattice whose middle lies (nearly) at the origin of the world."""
    affine = np.eye(4)
    affine[:3, :3] = axes @ np.diag(sizes)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2) + [0.3, -0.2, 0.1]
    return affine


def _image(array, affine, t_r=None):
    image = nib.Nifti1Image(array, affine, dtype=array.dtype)
    image.header.set_xyzt_units("mm", "sec")
    if t_r is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
    return image


def _series(rng, n_volumes=N_VOLUMES):
    """Volumes of smooth-in-time noise with drifts, around a mean of 1000."""
    noise = rng.normal(size=(*SHAPE, n_volumes))
    noise[..., 1:] += 0.5 * noise[..., :-1]
    drift = rng.normal(size=(*SHAPE, 1)) * np.linspace(0, 3, n_volumes)
    return 1000 + 30 * noise + 10 * drift


def make_world(orientation, dtype, *, far=False, turned=True):
    """All that goes into a masker.

    With `far` the atlas, maps and mask lie on another lattice, `turned` or with parallel axes.
    """
    rng = np.random.default_rng(11)
    axes = AXES[orientation]
    affine = centred_affine(axes, (2.0, 2.0, 2.5), SHAPE)
    shape = (7, 6, 8) if far else SHAPE
    turn = _rotation(0.05, 0.1, 0) if turned else np.eye(3)
    own = centred_affine(axes @ turn, (2.5, 2.9, 2.2), shape) if far else affine
    series = _series(rng)
    mask = np.zeros(shape, dtype=np.uint8)
    mask[1:-1, 1:-1, 1:-1] = 1
    labels = np.zeros(shape, dtype=np.int16)
    labels[1:4, 1:-1, 1:-1], labels[4:-1, 1:3, 1:-1], labels[4:, 3:, 2:] = 3, 8, 5
    seen = resample_nearest(np.ones(SHAPE, dtype=np.int16), affine, shape, own)
    labels *= seen  # what lies beyond the run is a matter of its own: see test_differences
    maps = rng.normal(size=(*shape, 3)) ** 2
    stored = np.rint(series) if np.dtype(dtype).kind == "i" else series
    return SimpleNamespace(
        img=_image(stored.astype(dtype), affine, T_R),
        affine=affine,
        mask_img=_image(mask, own),
        labels_img=_image(labels, own),
        maps_img=_image(maps, own),
        seeds=SEEDS,
        confounds=np.random.default_rng(3).normal(size=(N_VOLUMES, 4)).cumsum(axis=0),
        n_volumes=N_VOLUMES,
        t_r=T_R,
    )


@pytest.fixture(scope="session")
def world():
    """Make the parts of a world: ``world("LAS", "int16", far=True)``; made once, do not touch."""
    made = {}

    def get(orientation="RAS", dtype="float64", *, far=False, turned=True):
        key = orientation, dtype, far, turned
        if key not in made:
            made[key] = make_world(orientation, dtype, far=far, turned=turned)
        return made[key]

    return get


@pytest.fixture(scope="session")
def image():
    """Put an array into an image: ``image(array, affine, t_r)``."""
    return lambda array, affine=None, t_r=None: _image(
        np.asarray(array), np.eye(4) if affine is None else affine, t_r
    )


@pytest.fixture(scope="session")
def nilearn():
    """The peer, whose warnings are none of ours: ``nilearn("NiftiMasker", **parameters)``."""
    import nilearn.maskers

    class Quiet:
        def __init__(self, masker):
            self._masker = masker

        def __getattr__(self, name):
            value = getattr(self._masker, name)
            return self._hushed(value) if callable(value) else value

        def _hushed(self, method):
            def call(*args, **kwargs):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    result = method(*args, **kwargs)
                return self if result is self._masker else result

            return call

    return lambda name, **parameters: Quiet(getattr(nilearn.maskers, name)(**parameters))


@pytest.fixture(scope="session")
def distance():
    """Largest difference between two sets of signals, in standard deviations of the second."""

    def measure(ours, theirs):
        ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
        assert ours.shape == theirs.shape
        return (np.abs(ours - theirs).max(axis=0) / theirs.std(axis=0)).max()

    return measure
