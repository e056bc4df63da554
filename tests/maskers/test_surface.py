"""Maskers on surfaces: nilearn's numbers where it is right, and what it does not take."""

import inspect
import pickle
import warnings

import nibabel as nib
import nilearn.maskers as theirs
import numpy as np
import pandas as pd
import pytest
from nilearn.surface import InMemoryMesh, SurfaceImage
from worlds import surface_files as files
from worlds.meshes import write_mesh
from worlds.surface_images import KEYS, LEFT, RIGHT, image, mesh

import bidsmask.maskers as ours
from bidsmask.errors import SpaceError
from bidsmask.images.surface_series import open_surfaces
from bidsmask.numerics.mesh import vertex_areas

T = 60
NAMES = ("SurfaceMasker", "SurfaceLabelsMasker", "SurfaceMapsMasker")
TOLERANCE = 1e-6
"""In standard deviations of a column."""

pytestmark = pytest.mark.filterwarnings("ignore:boolean values for 'standardize':FutureWarning")
"""Of nilearn, about its own defaults."""


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    drift = np.linspace(0, 30, T) * rng.normal(size=(LEFT + RIGHT, 1))
    noisy = rng.normal(1000, 20, (LEFT + RIGHT, T)) + drift
    return noisy.astype(np.float32).astype(np.float64)  # nilearn fits maps to float32


@pytest.fixture
def weights():
    return np.random.default_rng(1).random((LEFT + RIGHT, 3))


def atlas_of(kind, weights):
    """What the masker of a kind is given first."""
    return {
        "SurfaceMasker": image(KEYS > 0),
        "SurfaceLabelsMasker": image(KEYS),
        "SurfaceMapsMasker": image(weights),
    }[kind]


# The same as nilearn


@pytest.mark.parametrize("name", [*NAMES, *(f"Multi{name}" for name in NAMES)])
def test_constructors_have_the_order_of_nilearns(name):
    expected = list(inspect.signature(getattr(theirs, name)).parameters.values())
    found = list(inspect.signature(getattr(ours, name)).parameters.values())
    assert [each.name for each in found[: len(expected)]] == [each.name for each in expected]
    assert [each.default for each in found[: len(expected)]] == [each.default for each in expected]
    assert all(each.kind is each.KEYWORD_ONLY for each in found[len(expected) :])


CLEANING = {
    "nothing": {},
    "standard scores": {"standardize": "zscore_sample"},
    "percent": {"standardize": "psc"},
    "band": {"t_r": 2.0, "low_pass": 0.1, "high_pass": 0.01, "detrend": True},
    "double": {"dtype": np.float64, "standardize": "zscore_sample"},
}


@pytest.mark.parametrize("how", CLEANING)
@pytest.mark.parametrize("name", NAMES)
def test_signals_are_those_of_nilearn(name, how, values, weights):
    run = image(values)
    confounds = np.random.default_rng(5).normal(size=(T, 2))
    sample_mask = np.r_[3:30, 34:T]
    both = []
    for module in (theirs, ours):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            masker = getattr(module, name)(atlas_of(name, weights), **CLEANING[how])
            masker.fit()
            both.append(masker.transform(run, confounds=confounds, sample_mask=sample_mask))
    assert both[0].shape == both[1].shape
    spread = both[0].std(axis=0)
    assert np.abs((both[0] - both[1]) / spread).max() < (1e-3 if how == "band" else TOLERANCE)


@pytest.mark.parametrize("strategy", ["mean", "median", "sum", "minimum", "maximum"])
def test_statistics_of_regions_are_those_of_nilearn(strategy, values):
    expected, found = (
        module.SurfaceLabelsMasker(image(KEYS), strategy=strategy).fit_transform(image(values))
        for module in (theirs, ours)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(4,), ()])
def test_what_is_painted_back_is_what_nilearn_paints(name, shape, values, weights):
    n_columns = {"SurfaceMasker": (KEYS > 0).sum(), "SurfaceLabelsMasker": 5}.get(name, 3)
    signals = np.random.default_rng(2).normal(size=(*shape, n_columns))
    expected, found = (
        getattr(module, name)(atlas_of(name, weights)).fit().inverse_transform(signals)
        for module in (theirs, ours)
    )
    assert isinstance(found, SurfaceImage)
    for side in ("left", "right"):
        np.testing.assert_allclose(
            found.data.parts[side], np.squeeze(expected.data.parts[side]), rtol=1e-6
        )


def test_what_has_been_learned_is_what_nilearn_learns(values):
    expected, found = (
        module.SurfaceLabelsMasker(image(KEYS), labels=["a", "b", "c", "d", "e"]).fit()
        for module in (theirs, ours)
    )
    assert found.n_elements_ == expected.n_elements_
    assert found.labels_ == expected.labels_
    assert list(found.region_names_.values()) == list(expected.region_names_.values())
    assert found.lut_["name"].tolist() == expected.lut_["name"].tolist()


def test_several_runs_give_a_list_as_nilearns_do(values, weights):
    runs = [image(values), image(values[:, ::-1].copy())]
    for name in NAMES:
        expected, found = (
            getattr(module, f"Multi{name}")(atlas_of(name, weights)).fit().transform(runs)
            for module in (theirs, ours)
        )
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-6)


def test_one_volume_has_one_axis(values):
    found = ours.SurfaceLabelsMasker(image(KEYS)).fit_transform(image(values[:, 0]))
    assert found.shape == (5,)
    assert ours.SurfaceLabelsMasker(image(KEYS)).fit_transform(image(values[:, :1])).shape == (
        1,
        5,
    )


# What is taken


@pytest.fixture
def world(tmp_path, values):
    """One run and one atlas in every form."""
    values = values.astype(np.float32)
    names = dict(zip([0, 1, 2, 3, 5, 6], ["???", "a", "b", "c", "d", "e"], strict=True))
    axis = files.brain_axis(LEFT, RIGHT)
    sides = {"left": ("L", slice(LEFT)), "right": ("R", slice(LEFT, None))}
    pair = {
        side: files.write_func(tmp_path / f"{letter}.func.gii", values[part], letter)
        for side, (letter, part) in sides.items()
    }
    labels = {
        side: files.write_label(tmp_path / f"{letter}.label.gii", KEYS[part], names, letter)
        for side, (letter, part) in sides.items()
    }
    cifti = files.write_dtseries(tmp_path / "a.dtseries.nii", values.T, axis)
    dlabel = files.write_dlabel(tmp_path / "a.dlabel.nii", KEYS, names, axis)
    return {
        "runs": [pair, tuple(pair.values()), cifti, str(cifti), nib.load(cifti), image(values)],
        "atlases": [labels, list(labels.values()), dlabel, nib.load(dlabel), image(KEYS)],
    }


def test_every_form_of_run_and_atlas_gives_the_same_signals(world):
    expected = ours.SurfaceLabelsMasker(world["atlases"][0]).fit_transform(world["runs"][0])
    for run in world["runs"]:
        for atlas in world["atlases"]:
            found = ours.SurfaceLabelsMasker(atlas).fit_transform(run)
            np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_names_come_from_the_file(world):
    for atlas in world["atlases"][:-1]:
        masker = ours.SurfaceLabelsMasker(atlas).fit()
        assert list(masker.region_names_.values()) == ["a", "b", "c", "d", "e"]
    lut = pd.DataFrame({"index": [1, 2, 3, 5, 6], "name": list("vwxyz")})
    masker = ours.SurfaceLabelsMasker(world["atlases"][2], lut=lut)
    frame = masker.set_output(transform="pandas").fit_transform(world["runs"][2])
    assert frame.columns.tolist() == list("vwxyz")


def test_painting_back_gives_the_kind_that_was_put_in(world, tmp_path):
    kinds = [dict, tuple, nib.Cifti2Image, nib.Cifti2Image, nib.Cifti2Image, SurfaceImage]
    for masker in (ours.SurfaceMasker(), ours.SurfaceLabelsMasker(world["atlases"][2])):
        for run, kind in zip(world["runs"], kinds, strict=True):
            signals = masker.fit_transform(run)
            painted = masker.inverse_transform(signals)
            assert isinstance(painted, kind)
            again = masker.transform(painted)
            np.testing.assert_allclose(again, signals, rtol=1e-5)
    path = tmp_path / "painted.dtseries.nii"
    masker = ours.SurfaceMasker()
    signals = masker.fit_transform(world["runs"][2])
    masker.write_inverse(signals, path)
    np.testing.assert_allclose(open_surfaces(path).values().T, signals)
    with pytest.raises(ValueError, match=r"\.dtseries\.nii"):
        masker.write_inverse(signals, tmp_path / "painted.nii.gz")


def test_a_run_with_other_grayordinates_gives_the_same_columns(tmp_path, world, values):
    left = np.r_[11, 1:11]
    axis = files.brain_axis(LEFT, RIGHT, left=left)
    part = np.concatenate([values[:LEFT][left], values[LEFT:]])
    path = files.write_dtseries(tmp_path / "b.dtseries.nii", part.T, axis)
    masker = ours.SurfaceLabelsMasker(world["atlases"][2]).fit()
    np.testing.assert_allclose(
        masker.transform(path), masker.transform(world["runs"][0]), rtol=1e-6
    )
    mask = image(KEYS > 0)
    dense = ours.SurfaceMasker(mask).fit()
    np.testing.assert_allclose(dense.transform(path), dense.transform(world["runs"][0]), rtol=1e-6)
    with pytest.raises(SpaceError, match="lacks 1 of the 21 places of the mask"):
        ours.SurfaceMasker(image(KEYS >= 0)).fit().transform(path)


def test_a_mask_hides_vertices_and_regions(world):
    inside = np.ones(LEFT + RIGHT, dtype=bool)
    inside[1:3], inside[4] = False, False
    with pytest.warns(UserWarning, match=r"labels were removed: \{1\}"):
        masker = ours.SurfaceLabelsMasker(world["atlases"][4], mask_img=image(inside)).fit()
    signals = masker.transform(world["runs"][5])
    assert masker.labels_ == [0, 2, 3, 5, 6]
    np.testing.assert_allclose(
        signals[:, 0], open_surfaces(world["runs"][0]).values()[[3, 5]].mean(axis=0), rtol=1e-6
    )
    assert masker.coverage_["n_covered"].tolist() == [0, 2, 4, 3, 5]


def test_a_mask_is_computed_from_what_is_finite(values):
    values[4, 3] = np.nan
    with pytest.warns(UserWarning, match="Non-finite values"):
        masker = ours.SurfaceMasker().fit(image(values))
    assert masker.n_elements_ == LEFT + RIGHT - 1
    assert not masker.mask_img_.data.parts["left"][4]
    again = values.copy()
    again[4], again[7, 1] = 5.0, np.inf
    with pytest.warns(UserWarning, match="Non-finite values"):
        several = ours.MultiSurfaceMasker().fit([image(values), image(again)])
    assert several.n_elements_ == LEFT + RIGHT - 2


def test_maskers_survive_clone_and_pickle(world):
    from sklearn.base import clone

    masker = ours.SurfaceLabelsMasker(world["atlases"][2], min_coverage=0.5)
    assert clone(masker).get_params()["min_coverage"] == 0.5
    masker.fit(world["runs"][2])
    again = pickle.loads(pickle.dumps(masker))
    np.testing.assert_array_equal(
        again.transform(world["runs"][0]), masker.transform(world["runs"][0])
    )


def test_extraction_is_remembered_where_that_is_asked_for(world, tmp_path):
    for run in world["runs"]:
        masker = ours.SurfaceLabelsMasker(world["atlases"][2], memory=tmp_path / "memory")
        first, second = masker.fit_transform(run), masker.transform(run)
        np.testing.assert_array_equal(first, second)


MESHES = {"left": mesh(LEFT), "right": mesh(RIGHT)}


@pytest.mark.parametrize("name", NAMES)
def test_smoothing_is_along_meshes_that_an_image_has_or_that_are_given(
    name, world, values, weights
):
    make = getattr(ours, name)
    atlas = atlas_of(name, weights)
    expected = make(atlas, smoothing_fwhm=5).fit_transform(image(values))
    assert not np.allclose(expected, make(atlas).fit_transform(image(values)))
    for run in world["runs"]:
        masker = make(atlas, smoothing_fwhm=5, meshes=MESHES)
        np.testing.assert_allclose(masker.fit_transform(run), expected, rtol=1e-6)


def test_meshes_may_be_files(world, values, tmp_path):
    expected = ours.SurfaceMasker(smoothing_fwhm=5).fit_transform(image(values))
    pair = [
        write_mesh(tmp_path / f"hemi-{side}.surf.gii", mesh(count), side)
        for side, count in (("R", RIGHT), ("L", LEFT))
    ]
    masker = ours.SurfaceMasker(smoothing_fwhm=5, meshes=pair)
    np.testing.assert_allclose(masker.fit_transform(world["runs"][2]), expected, rtol=1e-6)


def test_smoothing_without_a_mesh_is_refused(world):
    masker = ours.SurfaceLabelsMasker(world["atlases"][2], smoothing_fwhm=5)
    with pytest.raises(SpaceError, match="takes a mesh, and there is none of CORTEX_LEFT"):
        masker.fit_transform(world["runs"][2])
    masker.set_params(meshes={"left": mesh(LEFT)})
    with pytest.raises(SpaceError, match="there is none of CORTEX_RIGHT"):
        masker.fit_transform(world["runs"][2])
    masker.set_params(meshes={"left": mesh(LEFT), "right": mesh(LEFT)})
    with pytest.raises(SpaceError, match="has 12 vertices, and the run is of one of 9"):
        masker.fit_transform(world["runs"][2])


@pytest.mark.parametrize("fwhm", ["fast", [4, 4, 4]])
def test_a_mesh_has_no_axes_to_smooth_along(fwhm, values):
    with pytest.raises(TypeError, match="is one number in mm"):
        ours.SurfaceLabelsMasker(image(KEYS), smoothing_fwhm=fwhm).fit_transform(image(values))


@pytest.mark.parametrize("given", [{"lh": mesh(LEFT)}, 7, []])
def test_what_is_no_pair_of_meshes_is_refused(given, world):
    with pytest.raises(TypeError, match="Meshes are"):
        ours.SurfaceMasker(meshes=given).fit(world["runs"][2])


def test_smoothed_extraction_is_remembered_with_its_mesh(values, tmp_path):
    """Two meshes of as many vertices do not get each other's signals."""
    larger = {side: InMemoryMesh(m.coordinates * 3, m.faces) for side, m in MESHES.items()}
    found = [
        ours.SurfaceMasker(
            image(KEYS > 0), smoothing_fwhm=5, meshes=meshes, memory=tmp_path / "memory"
        ).fit_transform(image(values))
        for meshes in (MESHES, larger)
    ]
    assert not np.allclose(*found)


# Means by area


def test_means_by_area_are_those_of_the_surface(world, values):
    """By hand: each vertex times a third of the triangles around it."""
    sizes = np.concatenate([vertex_areas(m.coordinates, m.faces) for m in MESHES.values()])
    members = [np.flatnonzero(key == KEYS) for key in (1, 2, 3, 5, 6)]
    expected = np.column_stack(
        [sizes[each] @ values[each] / sizes[each].sum() for each in members]
    )
    plain = ours.SurfaceLabelsMasker(image(KEYS)).fit_transform(image(values))
    assert not np.allclose(plain, expected)
    areas = [sizes[:LEFT], sizes[LEFT:]]
    for run in world["runs"]:
        for given in (True, image(sizes), dict(zip(MESHES, map(gifti_of, areas), strict=True))):
            meshes = MESHES if given is True else None
            masker = ours.SurfaceLabelsMasker(image(KEYS), area_weights=given, meshes=meshes)
            np.testing.assert_allclose(masker.fit_transform(run), expected, rtol=1e-6)


def gifti_of(areas):
    kind = {"intent": "NIFTI_INTENT_SHAPE", "datatype": "NIFTI_TYPE_FLOAT32"}
    return nib.GiftiImage(darrays=[nib.gifti.GiftiDataArray(areas.astype(np.float32), **kind)])


def test_areas_of_equal_size_give_plain_means_whatever_is_missing(world, values):
    values[3, 7], values[9] = np.nan, 0
    same = image(np.full(LEFT + RIGHT, 2.5))
    for options in ({}, {"smoothing_fwhm": 6, "meshes": MESHES}):
        plain, weighted = (
            ours.SurfaceLabelsMasker(image(KEYS), area_weights=how, **options)
            for how in (False, same)
        )
        for masker in (plain, weighted):
            with pytest.warns(UserWarning, match="Non-finite"):
                masker.fit_transform(image(values))
        signals = [each.transform(image(values)) for each in (plain, weighted)]
        np.testing.assert_allclose(*signals, rtol=1e-12)
        pd.testing.assert_frame_equal(plain.coverage_, weighted.coverage_)


def test_smoothed_means_by_area_are_means_by_area_of_what_was_smoothed(values):
    smooth = ours.SurfaceMasker(smoothing_fwhm=6).fit_transform(image(values)).T
    one, other = (
        ours.SurfaceLabelsMasker(image(KEYS), area_weights=True, smoothing_fwhm=fwhm)
        for fwhm in (6, None)
    )
    np.testing.assert_allclose(
        one.fit_transform(image(values)), other.fit_transform(image(smooth)), rtol=1e-9
    )


def test_areas_are_asked_for_where_there_are_none_and_where_they_do_not_fit(world):
    run, atlas = world["runs"][2], world["atlases"][2]
    with pytest.raises(SpaceError, match="take the area of each vertex, and there is none of"):
        ours.SurfaceLabelsMasker(atlas, area_weights=True).fit_transform(run)
    other = {"left": gifti_of(np.ones(9)), "right": gifti_of(np.ones(9))}
    with pytest.raises(SpaceError, match="areas of 9 vertices of CORTEX_LEFT"):
        ours.SurfaceLabelsMasker(atlas, area_weights=other).fit_transform(run)
    negative = image(np.full(LEFT + RIGHT, -1.0))
    with pytest.raises(ValueError, match="are one area in mm²"):
        ours.SurfaceLabelsMasker(atlas, area_weights=negative).fit_transform(run)
    with pytest.raises(ValueError, match="are of means, and not of strategy='median'"):
        ours.SurfaceLabelsMasker(atlas, area_weights=True, strategy="median").fit()


def test_what_the_vertices_of_highest_variance_do_is_regressed_out(values):
    values[4] = 5000 * np.sin(np.arange(T))
    masker = ours.SurfaceLabelsMasker(image(KEYS), high_variance_confounds=True)
    with pytest.warns(UserWarning, match="1 columns with the highest variance"):
        signals = masker.fit_transform(image(values))
    loud = signals[:, masker.labels_.index(2) - 1]
    assert abs(np.corrcoef(loud, values[4])[0, 1]) < 0.01


def test_a_volume_is_no_image_on_surfaces():
    volume = nib.Nifti1Image(np.zeros((2, 2, 2, 3)), np.eye(4))
    with pytest.raises(TypeError, match="An image on surfaces is"):
        ours.SurfaceMasker().fit(volume)


def test_an_atlas_is_asked_for():
    with pytest.raises(ValueError, match="Please provide a labels_img"):
        ours.SurfaceLabelsMasker().fit()
    with pytest.raises(ValueError, match="Please provide a maps_img"):
        ours.SurfaceMapsMasker().fit()


# Maps


def test_maps_of_files_are_those_of_images(tmp_path, world, weights, values):
    axis = files.brain_axis(LEFT, RIGHT)
    header = nib.cifti2.Cifti2Header.from_axes((nib.cifti2.ScalarAxis(["a", "b", "c"]), axis))
    scalars = nib.Cifti2Image(weights.T.astype(np.float32), header)
    scalars.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS")
    scalars.to_filename(tmp_path / "a.dscalar.nii")
    expected = ours.SurfaceMapsMasker(image(weights)).fit_transform(image(values))
    for run in world["runs"]:
        found = ours.SurfaceMapsMasker(tmp_path / "a.dscalar.nii").fit_transform(run)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_maps_are_fitted_over_the_vertices_that_are_covered(values, weights):
    lost = values.copy()
    lost[3], lost[5, 2] = 0, np.nan
    known = np.delete(values, [3, 5], axis=0).T
    expected = known @ np.linalg.pinv(np.delete(weights, [3, 5], axis=0)).T
    with pytest.warns(UserWarning, match="in 1 vertices of maps"):
        found = ours.SurfaceMapsMasker(image(weights)).fit_transform(image(lost))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_overlap_of_maps_is_refused_where_that_is_asked_for(values, weights):
    with pytest.raises(ValueError, match="overlap"):
        ours.SurfaceMapsMasker(image(weights), allow_overlap=False).fit()


@pytest.mark.parametrize("name", NAMES)
def test_a_report_lists_columns_and_their_signals(name, values, weights):
    masker = getattr(ours, name)(atlas_of(name, weights), standardize="zscore_sample")
    assert "not fitted yet" in masker.generate_report().html
    assert "Nothing has been transformed yet" in masker.fit().generate_report().html
    masker.transform(image(values))
    page = masker.generate_report(title="On surfaces").html
    assert "On surfaces" in page
    assert "of 12 vertices" in page
    assert ("Size (vertices)" in page) == (name != "SurfaceMasker")
    assert page.count("data:image/svg") >= 1
    assert (
        "keep nothing"
        in getattr(ours, name)(atlas_of(name, weights), reports=False).fit().generate_report().html
    )


# Masks and images that hold nothing


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_in_a_mask_is_outside_of_it(name, values, weights):
    inside = np.ones(LEFT + RIGHT)
    inside[[1, 4]] = np.nan, np.inf
    masker = getattr(ours, name)(atlas_of(name, weights))
    masker.mask_img = image(inside)
    with pytest.warns(UserWarning, match="Non-finite values detected in the mask"):
        masker.fit()
    found = masker.transform(image(values))
    masker.mask_img = image(np.nan_to_num(inside, posinf=0))
    np.testing.assert_array_equal(found, masker.fit().transform(image(values)))


def test_an_empty_mask_and_an_image_without_a_volume_are_refused(values):
    with pytest.raises(ValueError, match="The mask is invalid as it is empty"):
        ours.SurfaceMasker(image(np.zeros(LEFT + RIGHT))).fit()
    with pytest.raises(ValueError, match="The image is empty"):
        ours.SurfaceMasker(image(np.ones(LEFT + RIGHT))).fit().transform(image(values[:, :0]))


# What nilearn refuses


def test_images_in_a_list_are_one_run_however_many_volumes_each_has(values, weights):
    parts = [image(values[:, :7]), image(values[:, 7:12]), image(values[:, 12])]
    expected = ours.SurfaceLabelsMasker(image(KEYS)).fit_transform(image(values[:, :13]))
    found = ours.SurfaceLabelsMasker(image(KEYS)).fit_transform(parts)
    np.testing.assert_array_equal(found, expected)


def test_a_single_map_needs_no_axis_of_its_own(values, weights):
    one = image(weights[:, 0])
    expected = ours.SurfaceMapsMasker(image(weights[:, :1])).fit_transform(image(values))
    np.testing.assert_array_equal(
        ours.SurfaceMapsMasker(one).fit_transform(image(values)), expected
    )


def test_what_holds_nothing_is_said_to():
    nothing = np.zeros(LEFT + RIGHT)
    with pytest.raises(ValueError, match="holds no region"):
        ours.SurfaceLabelsMasker(image(nothing, int)).fit()
    with pytest.raises(ValueError, match="contains no map"):
        ours.SurfaceMapsMasker(image(nothing)).fit()


@pytest.mark.parametrize("name", ["SurfaceMasker", "SurfaceLabelsMasker", "SurfaceMapsMasker"])
def test_arrays_by_hemisphere_are_told_where_to_go(name):
    arrays = {"left": np.zeros((4, 3)), "right": np.zeros((4, 3))}
    with pytest.raises(TypeError, match="Values in memory go into a GiftiImage"):
        getattr(ours, name)(arrays).fit()
