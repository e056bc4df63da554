import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import EmpiricalCovariance

from bidsmask.errors import DegreesOfFreedomError
from bidsmask.numerics.connectivity.measures import MEASURES, Sample

SEEDS = st.integers(0, 2**32 - 1)
ALL = pytest.mark.parametrize("measure", MEASURES.values(), ids=list(MEASURES))


def sample_of(signals, **known):
    """Independent volumes; graphical lassos have a penalty, as choosing one takes long."""
    return Sample(**vars(Sample.independent(signals)) | {"alpha": 0.2} | known)


def matrix_of(measure, signals, **known):
    return measure.function(sample_of(signals, **known)).matrix


def random_signals(seed, n_volumes=40, n_columns=6):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_columns, n_columns)) + 2 * np.eye(n_columns)
    return rng.normal(size=(n_volumes, n_columns)) @ mixing + rng.normal(size=n_columns) * 100


@ALL
@given(seed=SEEDS)
def test_matrices_are_symmetric_to_the_bit(measure, seed):
    matrix = matrix_of(measure, random_signals(seed))
    np.testing.assert_array_equal(matrix, matrix.T)


@ALL
@given(seed=SEEDS)
def test_the_order_of_columns_only_orders_the_matrix(measure, seed):
    signals = random_signals(seed)
    order = np.random.default_rng(seed).permutation(signals.shape[1])
    expected = matrix_of(measure, signals)[np.ix_(order, order)]
    approached = "lasso" in measure.name  # step by step, until steps are small
    np.testing.assert_allclose(
        matrix_of(measure, signals[:, order]),
        expected,
        rtol=1e-6,
        atol=1e-2 * np.nanmax(np.abs(expected)) if approached else 1e-9,
    )


@ALL
@given(seed=SEEDS, value=st.sampled_from([np.nan, np.inf, 7.1]))
def test_unusable_columns_are_missing_and_disturb_no_other(measure, seed, value):
    signals = random_signals(seed)
    spoilt = np.insert(signals, 2, value, axis=1)
    matrix = matrix_of(measure, spoilt)
    assert np.isnan(matrix[2]).all()
    assert np.isnan(matrix[:, 2]).all()
    left = np.delete(np.delete(matrix, 2, 0), 2, 1)
    np.testing.assert_array_equal(left, matrix_of(measure, signals))


@ALL
def test_one_volume_is_not_enough(measure):
    with pytest.raises(DegreesOfFreedomError, match="at least 2 kept volumes, and here are 1"):
        matrix_of(measure, np.ones((1, 3)))


@ALL
def test_signals_are_not_touched(measure):
    signals = random_signals(2)
    before = signals.copy()
    matrix_of(measure, signals)
    np.testing.assert_array_equal(signals, before)


def test_labels_for_file_names_are_alphanumeric_and_differ():
    stats = [measure.stat for measure in MEASURES.values()]
    assert all(stat.isalnum() for stat in stats)
    assert len(set(stats)) == len(stats)


@pytest.mark.parametrize("name", ["covariance", "correlation", "partial-correlation", "precision"])
def test_measures_are_those_of_nilearn_without_shrinkage(name):
    signals = random_signals(3)
    signals = (signals - signals.mean(axis=0)) / signals.std(axis=0, ddof=1)
    theirs = ConnectivityMeasure(
        kind=name.replace("-", " "), cov_estimator=EmpiricalCovariance(), standardize=None
    ).fit_transform([signals])[0]
    # scikit-learn divides by T, we by T - 1
    scale = {"covariance": 40 / 39, "precision": 39 / 40}.get(name, 1)
    np.testing.assert_allclose(matrix_of(MEASURES[name], signals), theirs * scale, atol=1e-9)


@pytest.mark.parametrize("kind", ["correlation", "partial correlation", "precision"])
@given(seed=SEEDS)
def test_measures_with_shrinkage_are_those_of_nilearn_if_volumes_are_independent(kind, seed):
    """nilearn 0.14.1 with its default estimator, of the standard scores that it is given."""
    signals = random_signals(seed)
    scores = (signals - signals.mean(axis=0)) / signals.std(axis=0, ddof=1)
    theirs = ConnectivityMeasure(kind=kind, standardize=None).fit_transform([scores])[0]
    measure = MEASURES[f"ledoit-wolf-{kind.replace(' ', '-')}"]
    np.testing.assert_allclose(matrix_of(measure, scores), theirs, rtol=1e-9, atol=1e-9)


@given(seed=SEEDS, dof=st.floats(3, 30))
def test_the_correlation_that_nilearn_shrinks_counts_volumes_whatever_is_left_of_them(seed, dof):
    signals = random_signals(seed)
    theirs = ConnectivityMeasure(kind="correlation")
    ours = matrix_of(MEASURES["ledoit-wolf-correlation"], signals, dof=dof)
    np.testing.assert_allclose(ours, theirs.fit_transform([signals])[0], rtol=1e-9, atol=1e-9)


@given(seed=SEEDS)
def test_the_fewer_degrees_of_freedom_the_more_is_shrunk(seed):
    signals = random_signals(seed)
    of_dof = [sample_of(signals, dof=dof).shrunk.found["Shrinkage"] for dof in (40, 20, 10, 1e-9)]
    assert of_dof == sorted(of_dof)
    assert of_dof[-1] == 1


@pytest.mark.parametrize("name", [name for name in MEASURES if "partial" in name])
@given(seed=SEEDS, scale=st.floats(0.01, 100))
def test_partial_correlations_do_not_depend_on_the_unit_of_a_column(name, seed, scale):
    signals = random_signals(seed)
    other = signals * np.array([1, scale, 1, 1, 1, 1])
    np.testing.assert_allclose(
        matrix_of(MEASURES[name], other), matrix_of(MEASURES[name], signals), atol=1e-6
    )


@pytest.mark.parametrize("name", ["ledoit-wolf-precision", "graphical-lasso-precision"])
@given(seed=SEEDS)
def test_precisions_have_the_inverse_squared_unit_of_the_signals(name, seed):
    signals = random_signals(seed)
    np.testing.assert_allclose(
        100 * matrix_of(MEASURES[name], 10 * signals), matrix_of(MEASURES[name], signals)
    )


def test_what_was_found_on_the_way_is_told():
    sample = sample_of(random_signals(0))
    found = {name: measure.function(sample).found for name, measure in MEASURES.items()}
    told = {name: set(keys) for name, keys in found.items() if keys}
    assert told == {
        name: {"Shrinkage" if "wolf" in name else "Alpha"}
        for name in MEASURES
        if "wolf" in name or "lasso" in name
    }
    assert found["graphical-lasso-precision"]["Alpha"] == 0.2


@pytest.mark.parametrize("name", [name for name in MEASURES if "wolf" in name or "xdf" in name])
def test_more_regions_than_volumes_can_be_related(name):
    matrix = matrix_of(MEASURES[name], random_signals(0, n_volumes=10, n_columns=30), dof=5)
    assert np.isfinite(matrix[~np.eye(30, dtype=bool)]).all()


@pytest.mark.parametrize(
    "name", ["ledoit-wolf-precision", "ledoit-wolf-partial-correlation", "xdf-variance", "xdf-p"]
)
def test_what_counts_degrees_of_freedom_is_refused_where_none_are_left(name):
    with pytest.raises(DegreesOfFreedomError, match="No degrees of freedom are left"):
        matrix_of(MEASURES[name], random_signals(0), dof=0.0)


def test_nothing_usable_gives_a_matrix_of_nan_and_nothing_was_found():
    for measure in MEASURES.values():
        relation = measure.function(sample_of(np.full((10, 3), np.nan)))
        assert np.isnan(relation.matrix).all()
        assert not relation.found
