"""Images that are given back are nibabel's: whatever is done with one gives what a plain image of
the same array gives, for nibabel and for nilearn."""

import copy
import inspect
import io
import pickle
import re
import sys

import nibabel as nib
import numpy as np
import pytest

import bidsmask

SHAPE = (7, 6, 5)
AFFINE = np.array([[-3.0, 0, 0, 9], [0, 3, 0, -8], [0, 0, 3, -7], [0, 0, 0, 1]])
RNG = np.random.default_rng(0)
BRAIN = np.zeros(SHAPE, dtype=bool)
BRAIN[1:6, 1:5, 1:4] = True


def image(values):
    made = nib.Nifti1Image(values, AFFINE, dtype=values.dtype)
    made.header.set_xyzt_units("mm", "sec")
    if values.ndim == 4:
        made.header.set_zooms((3, 3, 3, 1.5))
    return made


MASK = image(BRAIN.astype(np.uint8))
LABELS = image((BRAIN * RNG.integers(1, 5, SHAPE)).astype(np.int16))
MAPS = image((BRAIN[..., None] * RNG.random((*SHAPE, 3))).astype(np.float32))
SEEDS = [(0.0, 1.0, -1.0), (-3.0, 1.0, -1.0)]
COARSE = np.diag([4.0, 4.0, 4.0, 1.0])


def run_of(dtype):
    return image(np.rint(RNG.normal(100, 9, (*SHAPE, 9))).astype(dtype))


def maskers():
    return {
        "voxels": bidsmask.NiftiMasker(MASK, standardize="zscore_sample"),
        "labels": bidsmask.NiftiLabelsMasker(LABELS, standardize="zscore_sample"),
        "maps": bidsmask.NiftiMapsMasker(MAPS, standardize="zscore_sample"),
        "spheres": bidsmask.NiftiSpheresMasker(
            SEEDS, radius=3.5, mask_img=MASK, allow_overlap=True
        ),
    }


def painted(name, dtype):
    masker = maskers()[name]
    return masker.inverse_transform(masker.fit_transform(run_of(dtype)))


def written(name, dtype, path):
    masker = maskers()[name]
    masker.write_inverse(masker.fit_transform(run_of(dtype)), path)
    return nib.load(path)


EAGER = {
    **{
        f"{name}-{dtype}": lambda name=name, dtype=dtype: painted(name, dtype)
        for name in maskers()
        for dtype in ("int16", "float64")
    },
    "smoothed": lambda: bidsmask.smooth_img(run_of("int16"), 5),
    "resampled": lambda: bidsmask.resample_img(run_of("float32"), COARSE, (6, 5, 5)),
    "resampled-nearest": lambda: bidsmask.resample_img(
        run_of("int16"), COARSE, (6, 5, 5), interpolation="nearest"
    ),
    "copied": lambda: bidsmask.resample_img(run_of("int16")),
    "unmasked": lambda: bidsmask.unmask(RNG.random((9, BRAIN.sum())), MASK),
    "unmasked-3D": lambda: bidsmask.unmask(RNG.random(BRAIN.sum()).astype("f4"), MASK),
    "mask": lambda: bidsmask.compute_epi_mask(image(1.0 + BRAIN), opening=0),
}
LAZY = [f"{name}-{dtype}" for name in maskers() for dtype in ("int16", "float64")]


@pytest.fixture(params=[*EAGER, *(f"lazy {name}" for name in LAZY)])
def pair(request, tmp_path):
    """An image of ours, and a plain one of the same array, affine and header."""
    kind = request.param
    if kind.startswith("lazy "):
        name, dtype = kind.removeprefix("lazy ").split("-")
        ours = written(name, dtype, tmp_path / "lazy.nii.gz")
    else:
        ours = EAGER[kind]()
    # an array image that comes out of a file has been one by one axis, in the same order
    values = np.array(ours.dataobj, order="K")
    return ours, nib.Nifti1Image(values, ours.affine, ours.header)


def same(ours, theirs):
    """Compare whatever a use gives, images included, to the bit."""
    if isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    elif isinstance(theirs, nib.spatialimages.SpatialImage):
        assert type(ours) is type(theirs)
        np.testing.assert_array_equal(ours.affine, theirs.affine)
        assert ours.header == theirs.header
        same(np.asanyarray(ours.dataobj), np.asanyarray(theirs.dataobj))
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs


def is_4d(img):
    return len(img.shape) == 4


def first(img):
    return img.slicer[..., 0] if is_4d(img) else img


def assigned(img):
    img.dataobj[2:4] = 5
    return np.asanyarray(img.dataobj)


def assigned_through_mask(img):
    img.get_fdata()[BRAIN_OF[img.shape[:3]]] = 7
    return img.get_fdata()


def uncached(img):
    img.get_fdata(dtype=np.float32)
    img.uncache()
    return img.get_fdata()


def moved(img):
    img.set_sform(np.diag([2.0, 2, 2, 1]), 2)
    img.set_qform(np.diag([2.0, 2, 2, 1]), 1)
    img.update_header()
    return [img.affine, img.get_sform(coded=True)[0], img.get_qform(), img.header["sform_code"]]


def streamed(img):
    stream = io.BytesIO()
    img.to_stream(stream)
    return type(img).from_stream(io.BytesIO(stream.getvalue()))


def mapped(img):
    files = img.make_file_map({"image": io.BytesIO()})
    img.to_file_map(files)
    files["image"].fileobj.seek(0)
    return type(img).from_file_map(files)


def named(img):
    img.set_filename("run.nii.gz")
    return [img.get_filename(), img.file_map["image"].filename]


def refused(img):
    """What nibabel has put an end to says so."""
    with pytest.raises(nib.deprecator.ExpiredDeprecationError):
        img.get_data()
    with pytest.raises(TypeError, match="Cannot slice image objects"):
        img[0]


BRAIN_OF = {
    shape: np.arange(np.prod(shape)).reshape(shape) % 3 == 0 for shape in (SHAPE, (6, 5, 5))
}

METHODS = {
    "get_fdata": lambda img: img.get_fdata(),
    "get_fdata of float32": lambda img: img.get_fdata(dtype=np.float32),
    "get_fdata without a cache": lambda img: img.get_fdata(caching="unchanged"),
    "the same data twice": lambda img: img.get_fdata() is img.get_fdata(),
    "uncache": uncached,
    "shape and ndim": lambda img: (img.shape, img.ndim),
    "type": lambda img: img.get_data_dtype(),
    "slicer": lambda img: [img.slicer[1:4, ::2], img.slicer[..., :2] if is_4d(img) else img],
    "slicer to 3D": first,
    "as_reoriented": lambda img: img.as_reoriented([[1, 1], [0, -1], [2, 1]]),
    "as_closest_canonical": lambda img: nib.as_closest_canonical(img),
    "forms": moved,
    "bytes": lambda img: img.to_bytes(),
    "from bytes": lambda img: type(img).from_bytes(img.to_bytes()),
    "from image": lambda img: [
        type(img).from_image(img),
        nib.Nifti2Image.from_image(img),
        nib.Nifti1Pair.from_image(img),
    ],
    "text": lambda img: str(img).splitlines()[1:],
    "pickle": lambda img: pickle.loads(pickle.dumps(img)),
    "copy": lambda img: [copy.copy(img), copy.deepcopy(img)],
    "file name": lambda img: type(img.get_filename()) in (str, type(None)),
    "stream": streamed,
    "file map": mapped,
    "another name": named,
    "what is refused": refused,
    "its class": lambda img: [
        img.files_types == nib.Nifti1Image.files_types,
        img.filespec_to_file_map("a.nii")["image"].filename,
        img.header_class is nib.Nifti1Header,
        img.valid_exts,
        img.makeable and img.rw,
        img.ImageArrayProxy is nib.Nifti1Image.ImageArrayProxy,
        img.ImageSlicer is nib.Nifti1Image.ImageSlicer,
        img.path_maybe_image(__file__)[0],
    ],
    "affine": lambda img: [img.affine, img.get_qform(coded=True)[1], img.header["dim"]],
    "funcs": lambda img: [
        nib.four_to_three(img) if is_4d(img) else img,
        nib.concat_images([first(img), first(img)]),
        nib.squeeze_image(img),
    ],
}

ARRAYS = {
    "computing": lambda data: [data * 2, 1 - data, -data, data + data, data > 0, data**2],
    "ufuncs": lambda data: [np.sqrt(np.abs(data)), np.add(data, 1), np.isfinite(data)],
    "reductions": lambda data: [data.mean(), data.max(axis=-1), np.std(data), np.sum(data, 0)],
    "a mask": lambda data: data[BRAIN_OF[data.shape[:3]]],
    "indices": lambda data: [data[1], data[..., -1], data[[0, 2]], data[1:4, ::2], data[0, 0, 0]],
    "views": lambda data: [data.T, data.reshape(-1), data.ravel(), data.astype("f4"), data.copy()],
    "conversions": lambda data: [np.asarray(data), np.asanyarray(data), np.array(data, "f4")],
    "together": lambda data: [np.concatenate([data, data]), np.stack([data, data])],
    "itself": lambda data: [data.shape, data.ndim, data.size, data.dtype, len(data)],
}


def nilearn_image(name):
    return getattr(pytest.importorskip("nilearn.image"), name)


NILEARN = {
    "binarize_img": lambda img: nilearn_image("binarize_img")(img, threshold=0),
    "check_niimg": lambda img: nilearn_image("check_niimg")(img),
    "check_niimg_3d": lambda img: nilearn_image("check_niimg_3d")(first(img)),
    "check_niimg_4d": lambda img: nilearn_image("check_niimg_4d")([first(img)] * 2),
    "clean_img": lambda img: (
        nilearn_image("clean_img")(img, standardize=None, detrend=True) if is_4d(img) else None
    ),
    "concat_imgs": lambda img: nilearn_image("concat_imgs")([img, img]),
    "copy_img": lambda img: nilearn_image("copy_img")(img),
    "crop_img": lambda img: nilearn_image("crop_img")(img),
    "get_data": lambda img: nilearn_image("get_data")(img),
    "high_variance_confounds": lambda img: (
        nilearn_image("high_variance_confounds")(img, n_confounds=2, percentile=20.0)
        if is_4d(img)
        else None
    ),
    "index_img": lambda img: (
        [nilearn_image("index_img")(img, key) for key in (0, slice(1, 3))] if is_4d(img) else None
    ),
    "iter_img": lambda img: list(nilearn_image("iter_img")(img)) if is_4d(img) else None,
    "largest_connected_component_img": lambda img: nilearn_image(
        "largest_connected_component_img"
    )(nilearn_image("math_img")("(img != 0).astype('f4')", img=first(img))),
    "load_img": lambda img: nilearn_image("load_img")(img),
    "math_img": lambda img: nilearn_image("math_img")("img * 2 + img.mean()", img=img),
    "mean_img": lambda img: nilearn_image("mean_img")(img, copy_header=True),
    "new_img_like": lambda img: nilearn_image("new_img_like")(img, img.get_fdata() + 1),
    "reorder_img": lambda img: nilearn_image("reorder_img")(img, copy_header=True),
    "resample_img": lambda img: nilearn_image("resample_img")(
        img, COARSE, copy_header=True, force_resample=True
    ),
    "resample_to_img": lambda img: nilearn_image("resample_to_img")(
        img, MASK, copy_header=True, force_resample=True
    ),
    "smooth_img": lambda img: nilearn_image("smooth_img")(img, 4),
    "swap_img_hemispheres": lambda img: nilearn_image("swap_img_hemispheres")(first(img)),
    "threshold_img": lambda img: nilearn_image("threshold_img")(
        img, 0.5, copy_header=True, cluster_threshold=0, two_sided=True
    ),
}

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the other tool


def test_it_is_exactly_an_image_of_nibabel(pair):
    ours, _ = pair
    assert type(ours) is nib.Nifti1Image
    plain = vars(nib.Nifti1Image(np.zeros((1, 1, 1), "f4"), AFFINE))
    assert not {name for name in vars(ours) if name not in plain} - {"_load_cache", "_dtype_alias"}


@pytest.mark.parametrize("kind", EAGER)
def test_its_data_are_an_array(kind):
    ours = EAGER[kind]()
    assert type(ours.dataobj) is np.ndarray
    assert ours.in_memory
    assert ours.dataobj.flags.writeable


@pytest.mark.parametrize("use", METHODS)
def test_methods(pair, use):
    ours, theirs = pair
    same(METHODS[use](ours), METHODS[use](theirs))


def test_files(pair, tmp_path):
    ours, theirs = pair
    for name, img in ("ours", ours), ("theirs", theirs):
        img.instance_to_filename(img, tmp_path / f"{name}.nii")
        img.to_filename(tmp_path / f"{name}.nii.gz")
    for suffix in ".nii", ".nii.gz":
        for read in (nib.Nifti1Image.from_filename, nib.Nifti1Image.load):
            same(*(read(tmp_path / f"{name}{suffix}") for name in ("ours", "theirs")))
    url = (tmp_path / "ours.nii").as_uri()
    same(nib.Nifti1Image.from_url(url), nib.load(tmp_path / "theirs.nii"))


def test_it_can_be_looked_at():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    viewer = painted("maps", "float64").orthoview()
    assert viewer.n_volumes == 9
    plt.close("all")


def test_all_that_an_image_of_nibabel_can_do_is_tried():
    tried = inspect.getsource(sys.modules[__name__])
    public = [name for name in dir(nib.Nifti1Image) if not name.startswith("_")]
    assert [name for name in public if not re.search(rf"\.{name}\b", tried)] == []


def test_all_that_nilearn_does_with_images_is_tried():
    public = set(pytest.importorskip("nilearn.image").__all__)
    assert public - set(NILEARN) == {"coord_transform"}  # it takes an affine


@pytest.mark.parametrize("use", ARRAYS)
@pytest.mark.parametrize("kind", EAGER)
def test_computing_with_the_data(kind, use):
    ours = EAGER[kind]()
    theirs = np.array(ours.dataobj, order="K")
    same(ARRAYS[use](ours.dataobj), ARRAYS[use](theirs))


@pytest.mark.parametrize("assign", [assigned, assigned_through_mask])
@pytest.mark.parametrize("kind", EAGER)
def test_assigning_to_the_data(kind, assign, tmp_path):
    ours = EAGER[kind]()
    theirs = nib.Nifti1Image(np.array(ours.dataobj, order="K"), ours.affine, ours.header)
    same(assign(ours), assign(theirs))
    assert ours.to_bytes() == theirs.to_bytes()


@pytest.mark.parametrize("use", NILEARN)
def test_functions_of_nilearn(pair, use):
    ours, theirs = pair
    same(NILEARN[use](ours), NILEARN[use](theirs))


TYPES = ("uint8", "int8", "int16", "uint16", "int32", "float32", "float64")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("suffix", [".nii", ".img", ".nii.gz"])
def test_saved_in_every_type(pair, dtype, suffix, tmp_path):
    found = []
    for name, img in zip(("ours", "theirs"), pair, strict=True):
        img.set_data_dtype(dtype)
        nib.save(img, tmp_path / f"{name}{suffix}")
        found.append(nib.load(tmp_path / f"{name}{suffix}"))
    ours, theirs = found
    assert (ours.dataobj.slope, ours.dataobj.inter) == (theirs.dataobj.slope, theirs.dataobj.inter)
    assert ours.get_data_dtype() == dtype
    same(ours.get_fdata(), theirs.get_fdata())
    assert ours.header == theirs.header


@pytest.mark.parametrize("dtype", TYPES)
def test_saved_in_a_type_that_is_named_when_saving(pair, dtype, tmp_path):
    ours, theirs = pair
    nib.save(ours, tmp_path / "ours.nii", dtype=dtype)
    nib.save(theirs, tmp_path / "theirs.nii", dtype=dtype)
    assert (tmp_path / "ours.nii").read_bytes() == (tmp_path / "theirs.nii").read_bytes()
    assert ours.get_filename() == str(tmp_path / "ours.nii")


@pytest.mark.parametrize("name", maskers())
def test_signals_that_are_changed_afterwards_change_no_image(name):
    masker = maskers()[name]
    signals = masker.fit_transform(run_of("float32"))
    img = masker.inverse_transform(signals)
    before = np.array(img.dataobj)
    signals -= 3
    np.testing.assert_array_equal(img.dataobj, before)


@pytest.mark.parametrize("name", maskers())
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.parametrize("n_axes", [2, 1])
def test_what_is_written_at_once_is_the_image(name, dtype, n_axes, tmp_path):
    masker = maskers()[name]
    signals = masker.fit_transform(run_of(dtype))
    signals = signals if n_axes == 2 else signals[0]
    masker.inverse_transform(signals).to_filename(tmp_path / "image.nii")
    masker.write_inverse(signals, tmp_path / "written.nii")
    assert (tmp_path / "written.nii").read_bytes() == (tmp_path / "image.nii").read_bytes()


def test_another_format_is_not_written_at_once(tmp_path):
    masker = maskers()["voxels"]
    signals = masker.fit_transform(run_of("float32"))
    with pytest.raises(ValueError, match=r"not called \.nii or \.nii\.gz"):
        masker.write_inverse(signals, tmp_path / "image.img")
