import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from bidsmask.numerics.projections.regions import (
    LabelMeans,
    OfOneSelection,
    RegionMeans,
    RegionStatistic,
    SphereMeans,
    VoxelSelection,
    voxels_of_labels,
    voxels_of_mask,
)

SEEDS = st.integers(0, 2**32 - 1)
TYPES = ["u1", "i1", "<i2", ">i2", "<u2", "<i4", ">i4", "i8", "<f4", ">f4", "<f8", ">f8"]


def random_case(seed, dtype="f8", n_volumes=4, n_voxels=200):
    """Labels of voxels, the labels asked for (some empty), and a block of volumes."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 2, 3, 7, 11, 900], n_voxels)
    ids = rng.permutation([2, 3, 5, 7, 11, 900, 1000])
    block = rng.integers(0, 100, (n_volumes, n_voxels)).astype(dtype)
    return labels, ids, block


def project(labels, ids, block):
    means = LabelMeans(labels, ids)
    return means.project(block[:, means.support])


@given(seed=SEEDS)
def test_projecting_what_was_expanded_gives_the_columns_back(seed):
    labels, ids, _ = random_case(seed)
    means = LabelMeans(labels, ids)
    columns = np.random.default_rng(seed).normal(size=(3, ids.size))
    columns[:, means.n_voxels == 0] = np.nan
    np.testing.assert_allclose(means.project(means.expand(columns)), columns, rtol=1e-12)


@given(seed=SEEDS)
def test_expanding_and_projecting_twice_is_doing_it_once(seed):
    labels, ids, block = random_case(seed)
    means = LabelMeans(labels, ids)
    once = means.expand(means.project(block[:, means.support]))
    np.testing.assert_allclose(means.expand(means.project(once)), once, rtol=1e-12)


@given(seed=SEEDS, a=st.floats(-5, 5), b=st.floats(-5, 5))
def test_projection_is_linear(seed, a, b):
    labels, ids, x = random_case(seed)
    y = np.random.default_rng(seed).normal(size=x.shape)
    both = project(labels, ids, a * x + b * y)
    apart = a * project(labels, ids, x) + b * project(labels, ids, y)
    np.testing.assert_allclose(both, apart, atol=1e-9)


@given(seed=SEEDS)
def test_the_order_of_labels_only_orders_the_columns(seed):
    labels, ids, block = random_case(seed)
    order = np.random.default_rng(seed).permutation(ids.size)
    np.testing.assert_array_equal(
        project(labels, ids[order], block), project(labels, ids, block)[:, order]
    )


@given(seed=SEEDS, missing=st.booleans(), cut=st.integers(1, 3))
def test_the_size_of_blocks_changes_no_bit(seed, missing, cut):
    labels, ids, block = random_case(seed)
    block = block / 7
    if missing:
        block[1, :50] = np.nan
    apart = [project(labels, ids, block[:cut]), project(labels, ids, block[cut:])]
    np.testing.assert_array_equal(project(labels, ids, block), np.vstack(apart))


@given(seed=SEEDS)
def test_other_labels_do_not_change_a_column(seed):
    labels, ids, block = random_case(seed)
    alone = [project(labels, np.array([label]), block)[:, 0] for label in ids]
    np.testing.assert_array_equal(project(labels, ids, block), np.column_stack(alone))


@given(seed=SEEDS, dtype=st.sampled_from(TYPES))
def test_the_mean_is_that_of_the_voxels_for_every_type_and_byte_order(seed, dtype):
    labels, ids, block = random_case(seed, dtype)
    columns = project(labels, ids, block)
    assert columns.dtype == np.float64
    for column, label in zip(columns.T, ids, strict=True):
        voxels = block[:, labels == label]
        expected = voxels.mean(axis=1, dtype=np.float64) if voxels.size else np.nan
        np.testing.assert_array_equal(column, np.full(len(block), expected))


@given(seed=SEEDS, value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_missing_voxels_are_left_out_of_the_mean_of_their_volume(seed, value):
    labels, ids, block = random_case(seed)
    clean = project(labels, ids, block)
    rng = np.random.default_rng(seed)
    hole = rng.random(labels.size) < 0.2
    holed = block.copy()
    holed[2, hole] = value
    columns = project(labels, ids, holed)
    np.testing.assert_array_equal(np.delete(columns, 2, 0), np.delete(clean, 2, 0))
    for column, label in zip(columns.T, ids, strict=True):
        present = block[2, (labels == label) & ~hole]
        np.testing.assert_array_equal(column[2], present.mean() if present.size else np.nan)


def test_infinities_of_both_signs_are_left_out():
    labels = np.ones(4, dtype=int)
    block = np.array([[np.inf, -np.inf, 2.0, 4.0]], dtype=np.float32)
    np.testing.assert_array_equal(project(labels, np.array([1]), block), [[3.0]])


def test_a_label_without_a_finite_voxel_is_missing_in_that_volume_only():
    labels = np.array([1, 1, 2])
    block = np.array([[np.nan, np.nan, 5.0], [1.0, 3.0, 5.0]])
    np.testing.assert_array_equal(
        project(labels, np.array([1, 2]), block), [[np.nan, 5.0], [2.0, 5.0]]
    )


def test_a_label_without_voxels_is_a_column_of_nan():
    columns = project(np.array([0, 4, 4]), np.array([3, 4, 5]), np.array([[9, 1, 2]]))
    np.testing.assert_array_equal(columns, [[np.nan, 1.5, np.nan]])


def test_no_voxels_at_all_give_columns_of_nan():
    means = LabelMeans(np.zeros(10, dtype=int), np.array([1, 2]))
    assert means.support.size == 0
    assert np.isnan(means.project(np.empty((3, 0)))).all()
    assert means.expand(np.ones((3, 2))).shape == (3, 0)


def test_no_labels_at_all_give_no_columns():
    means = LabelMeans(np.array([1, 2]), np.array([], dtype=int))
    assert means.project(np.empty((3, 0))).shape == (3, 0)


def test_a_block_without_volumes_gives_no_rows():
    means = LabelMeans(np.array([1, 1]), np.array([1]))
    assert means.project(np.empty((0, 2))).shape == (0, 1)


def test_sums_beyond_the_type_of_the_voxels_are_exact():
    labels = np.ones(100_001, dtype=int)
    block = np.full((1, labels.size), 32767, dtype=np.int16)
    np.testing.assert_array_equal(project(labels, np.array([1]), block), [[32767.0]])


def test_the_support_lists_the_voxels_of_each_label_in_turn():
    means = LabelMeans(np.array([5, 0, 9, 5, 9]), np.array([9, 5]))
    np.testing.assert_array_equal(means.support, [2, 4, 0, 3])
    np.testing.assert_array_equal(means.n_voxels, [2, 2])


def test_a_label_asked_for_twice_is_refused():
    with pytest.raises(ValueError, match="7 is asked for twice"):
        LabelMeans(np.array([7, 8]), np.array([7, 8, 7]))


@given(seed=SEEDS)
def test_means_are_those_of_scipy_which_nilearn_calls(seed):
    labels, ids, block = random_case(seed)
    present = np.isin(ids, labels)
    expected = [ndimage.mean(volume, labels, ids[present]) for volume in block]
    np.testing.assert_allclose(project(labels, ids, block)[:, present], expected, rtol=1e-12)


@given(seed=SEEDS, dtype=st.sampled_from(TYPES))
def test_a_selection_of_voxels_is_the_identity(seed, dtype):
    rng = np.random.default_rng(seed)
    selection = VoxelSelection(rng.permutation(50)[:20])
    block = rng.integers(0, 100, (3, 50)).astype(dtype)
    columns = selection.project(block[:, selection.support])
    assert columns.dtype == np.float64
    assert selection.n_columns == 20
    np.testing.assert_array_equal(columns, block[:, selection.support])
    np.testing.assert_array_equal(selection.project(selection.expand(columns)), columns)
    assert not np.shares_memory(selection.project(columns), columns)


SIMPLE = {  # by nilearn's name of the strategy, which is scipy's
    "mean": np.mean,
    "median": np.median,
    "sum": np.sum,
    "minimum": np.min,
    "maximum": np.max,
    "standard_deviation": np.std,
    "variance": np.var,
}


def statistic_of(name, labels, ids, block):
    statistic = RegionStatistic(voxels_of_labels(labels, ids), name)
    return statistic.project(block[:, statistic.support])


@given(seed=SEEDS)
def test_the_voxels_of_labels_are_all_voxels_that_carry_them(seed):
    labels, ids, _ = random_case(seed)
    found = voxels_of_labels(labels, ids)
    assert len(found) == ids.size
    for voxels, label in zip(found, ids, strict=True):
        np.testing.assert_array_equal(voxels, np.flatnonzero(labels == label))


@given(seed=SEEDS)
def test_the_voxels_of_a_mask_are_in_the_order_of_indexing_with_it(seed):
    rng = np.random.default_rng(seed)
    volume, mask = rng.normal(size=(4, 5, 3)), rng.random((4, 5, 3)) < 0.5
    flat = volume.ravel(order="F")
    np.testing.assert_array_equal(flat[voxels_of_mask(mask)], volume[mask])


@pytest.mark.parametrize("name", SIMPLE)
@given(seed=SEEDS, dtype=st.sampled_from(TYPES))
def test_a_statistic_is_that_of_the_voxels_for_every_type_and_byte_order(name, seed, dtype):
    labels, ids, block = random_case(seed, dtype)
    columns = statistic_of(name, labels, ids, block)
    assert columns.dtype == np.float64
    for column, label in zip(columns.T, ids, strict=True):
        voxels = block[:, labels == label].astype(np.float64)
        expected = SIMPLE[name](voxels, axis=1) if voxels.size else np.full(len(block), np.nan)
        np.testing.assert_allclose(column, expected, rtol=1e-13)


@pytest.mark.parametrize("name", SIMPLE)
@given(seed=SEEDS, value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_missing_voxels_are_left_out_of_a_statistic(name, seed, value):
    labels, ids, block = random_case(seed)
    block[1, np.random.default_rng(seed).random(labels.size) < 0.2] = value
    block[2, labels == ids[0]] = value
    columns = statistic_of(name, labels, ids, block)
    for column, label in zip(columns.T, ids, strict=True):
        for volume in range(len(block)):
            voxels = block[volume, (labels == label) & np.isfinite(block[volume])]
            expected = SIMPLE[name](voxels) if voxels.size else np.nan
            np.testing.assert_allclose(column[volume], expected, rtol=1e-13)


@pytest.mark.parametrize("name", SIMPLE)
@given(seed=SEEDS)
def test_statistics_are_those_of_scipy_which_nilearn_calls(name, seed):
    labels, ids, block = random_case(seed)
    present = np.isin(ids, labels)
    expected = [getattr(ndimage, name)(volume, labels, ids[present]) for volume in block]
    columns = statistic_of(name, labels, ids, block)[:, present]
    np.testing.assert_allclose(columns, expected, rtol=1e-10)


@given(seed=SEEDS)
def test_the_mean_as_a_statistic_is_the_mean_to_the_bit(seed):
    labels, ids, block = random_case(seed)
    np.testing.assert_array_equal(
        statistic_of("mean", labels, ids, block), project(labels, ids, block)
    )


@pytest.mark.parametrize("name", [*SIMPLE, "first_eigenvariate"])
def test_a_region_without_a_finite_voxel_has_no_statistic(name):
    block = np.array([[1.0, 2.0, np.nan], [3.0, 5.0, np.inf], [4.0, 9.0, -np.inf]])
    columns = statistic_of(name, np.array([1, 1, 2]), np.array([1, 2]), block)
    assert np.isfinite(columns[:, 0]).all()
    assert np.isnan(columns[:, 1]).all()


def test_an_unknown_statistic_is_refused():
    with pytest.raises(ValueError, match="'mode'; choose one of mean, median"):
        RegionStatistic([np.array([0])], "mode")


@given(seed=SEEDS, scale=st.floats(0.1, 10), sign=st.sampled_from([-1, 1]))
def test_the_eigenvariate_explains_more_variance_than_any_voxel_or_the_mean(seed, scale, sign):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(40, 1))
    voxels = 500 + scale * (common * rng.uniform(0.2, 2, 15) + rng.normal(size=(40, 15)))
    eigenvariate = statistic_of("first_eigenvariate", np.ones(15), np.array([1]), voxels)[:, 0]
    centred = voxels - voxels.mean(axis=0)

    def explained(course):
        direction = course - course.mean()
        return np.square(direction @ centred).sum() / np.square(direction).sum()

    rivals = [voxels.mean(axis=1), *voxels.T]
    assert explained(eigenvariate) >= (1 - 1e-12) * max(map(explained, rivals))


@given(seed=SEEDS)
def test_where_all_voxels_do_the_same_the_eigenvariate_is_the_mean(seed):
    course = np.random.default_rng(seed).normal(1000, 10, (30, 1))
    voxels = np.repeat(course, 7, axis=1)
    eigenvariate = statistic_of("first_eigenvariate", np.ones(7), np.array([1]), voxels)
    np.testing.assert_allclose(eigenvariate, course, rtol=1e-12)


@given(seed=SEEDS)
def test_the_order_and_sign_of_voxels_do_not_turn_the_eigenvariate_over(seed):
    rng = np.random.default_rng(seed)
    voxels = rng.normal(size=(30, 1)) * rng.uniform(0.5, 1.5, 9) + 0.1 * rng.normal(size=(30, 9))
    one, ids = np.ones(9), np.array([1])
    shuffled = voxels[:, rng.permutation(9)]
    expected = statistic_of("first_eigenvariate", one, ids, voxels)
    np.testing.assert_allclose(
        statistic_of("first_eigenvariate", one, ids, shuffled), expected, atol=1e-10
    )
    assert np.corrcoef(expected[:, 0], voxels.mean(axis=1))[0, 1] > 0


def test_a_voxel_missing_in_one_volume_is_left_out_of_the_eigenvariate():
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=(20, 6))
    holed = np.column_stack([voxels, rng.normal(size=20)])
    holed[3, 6] = np.nan
    assert RegionStatistic([], "first_eigenvariate").needs_all_volumes
    assert not RegionStatistic([], "median").needs_all_volumes
    np.testing.assert_array_equal(
        statistic_of("first_eigenvariate", np.ones(7), np.array([1]), holed),
        statistic_of("first_eigenvariate", np.ones(6), np.array([1]), voxels),
    )


def random_spheres(seed, n_voxels=60):
    rng = np.random.default_rng(seed)
    sizes = [0, 1, 5, 9, 30]
    return [np.sort(rng.choice(n_voxels, size, replace=False)) for size in sizes]


@given(seed=SEEDS, missing=st.booleans())
def test_a_sphere_has_the_mean_of_its_voxels_whoever_shares_them(seed, missing):
    spheres = random_spheres(seed)
    block = np.random.default_rng(seed).normal(size=(3, 60))
    if missing:
        block[1, ::3] = np.nan
    means = SphereMeans(spheres)
    columns = means.project(block[:, means.support])
    assert means.n_columns == 5
    for column, sphere in zip(columns.T, spheres, strict=True):
        alone = LabelMeans(np.isin(np.arange(60), sphere).astype(int), np.array([1]))
        np.testing.assert_array_equal(column, alone.project(block[:, alone.support])[:, 0])


@given(seed=SEEDS)
def test_spheres_apart_get_back_what_they_were_given(seed):
    order = np.random.default_rng(seed).permutation(60)
    means = SphereMeans([order[:5], order[5:20], order[20:21]])
    columns = np.random.default_rng(seed).normal(size=(4, 3))
    np.testing.assert_allclose(means.project(means.expand(columns)), columns, rtol=1e-12)


@given(seed=SEEDS)
def test_a_voxel_of_several_spheres_gets_the_mean_of_their_values(seed):
    spheres = random_spheres(seed)
    means = SphereMeans(spheres)
    columns = np.random.default_rng(seed).normal(size=(2, 5))
    expanded = means.expand(columns)
    for place, voxel in enumerate(means.support):
        members = [number for number, sphere in enumerate(spheres) if voxel in sphere]
        np.testing.assert_allclose(expanded[:, place], columns[:, members].mean(axis=1))


@given(seed=SEEDS)
def test_projections_of_one_selection_are_those_of_each_alone(seed):
    rng = np.random.default_rng(seed)
    selection = np.flatnonzero(rng.random(60) < 0.7)
    sizes = rng.integers(0, 9, 3)
    regions = [rng.choice(selection, min(n, selection.size), replace=False) for n in sizes]
    alone = [RegionMeans(regions), RegionStatistic(regions[:2], "median"), RegionMeans([])]
    together = OfOneSelection(selection, alone)
    volumes = rng.normal(size=(4, 60))
    columns = together.project(volumes[:, together.support])
    assert columns.shape == (4, together.n_columns)
    for part, each in zip(together.split(columns), alone, strict=True):
        np.testing.assert_array_equal(part, each.project(volumes[:, each.support]))


def test_columns_of_several_projections_are_no_image():
    with pytest.raises(NotImplementedError, match="no image in common"):
        OfOneSelection(np.arange(3), []).expand(np.zeros((1, 0)))
