import numpy as np
import pytest

from bidsmask.analysis.rows import n_rows, rows_for
from bidsmask.numerics.censoring import interpolate_censored

KEPT = np.array([False, True, True, True, False, True, True])
COLUMNS = np.random.default_rng(0).normal(size=(5, 3))


@pytest.mark.parametrize("how", ["na", "interpolate", "drop"])
def test_kept_volumes_stay_what_they_are(how):
    rows = rows_for(COLUMNS, KEPT, how)
    assert len(rows) == n_rows(KEPT, how)
    np.testing.assert_array_equal(rows if how == "drop" else rows[KEPT], COLUMNS)


def test_censored_volumes_are_missing_or_on_a_curve():
    missing = rows_for(COLUMNS, KEPT, "na")
    assert np.isnan(missing[~KEPT]).all()
    np.testing.assert_array_equal(
        rows_for(COLUMNS, KEPT, "interpolate"), interpolate_censored(missing, KEPT)
    )


@pytest.mark.parametrize("how", ["na", "interpolate", "drop"])
def test_a_single_volume_that_is_kept_is_given_back(how):
    one = np.array([[1.0, 2.0]])
    np.testing.assert_array_equal(rows_for(one, np.array([True]), how), one)
