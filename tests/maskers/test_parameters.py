import numpy as np
import pytest

from bidsmask.maskers.parameters import as_type, check_parameters, output_dtype


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8"])
def test_numbers_become_the_nearest_integers(dtype):
    values = np.array([1.4, 1.6, 2.5])
    np.testing.assert_array_equal(as_type(values, np.dtype(dtype)), [1, 2, 2])


def test_the_same_type_is_the_same_array():
    values = np.ones(3)
    assert as_type(values, np.dtype(float)) is values


@pytest.mark.parametrize(
    ("asked", "natural", "given"),
    [
        (None, "int8", "int8"),
        ("auto", "float64", "float32"),
        ("auto", "int64", "int32"),
        ("int16", "float64", "int16"),
        (float, "float32", "float64"),
    ],
)
def test_types_are_found_by_their_names(asked, natural, given):
    assert output_dtype(asked, natural) == np.dtype(given)


@pytest.mark.parametrize("name", ["keep_masked_labels", "keep_masked_maps"])
def test_what_nilearn_will_remove_is_announced_if_it_is_used(name):
    with pytest.warns(FutureWarning, match=f'"{name}" parameter will be removed'):
        check_parameters({name: True})
    check_parameters({name: False})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smoothing_fwhm", 5),
        ("smoothing_fwhm", np.float32(5)),
        ("smoothing_fwhm", (4, 4, 6.0)),
        ("smoothing_fwhm", np.array([4, 4, 6])),
        ("smoothing_fwhm", "fast"),
        ("smoothing_fwhm", None),
        ("t_r", 2),
        ("detrend", np.bool_(True)),
        ("target_affine", [[2, 0, 0], [0, 2, 0], [0, 0, 2]]),
        ("target_shape", (4, 4, 4)),
        ("standardize", "psc"),
        ("dtype", np.float32),
        ("something_else", object()),
    ],
)
def test_what_makes_sense_is_accepted(name, value):
    check_parameters({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_affine", 3),
        ("target_shape", 4),
        ("labels", ("a", "b")),
        ("labels", {"a", "b"}),
        ("verbose", "loud"),
        ("mask_args", "opening"),
        ("background_label", None),
        ("keep_empty", "yes"),
        ("n_jobs", True),
    ],
)
def test_what_makes_none_is_refused_by_name(name, value):
    with pytest.raises(TypeError, match=name):
        check_parameters({name: value})


@pytest.mark.parametrize("value", ["z", 1, "Zscore"])
def test_standardisation_is_one_of_a_few_words(value):
    with pytest.raises(ValueError, match="standardize"):
        check_parameters({"standardize": value})
