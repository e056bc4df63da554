"""Whatever order values lie in, a block says the same."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidsmask.images import blocks
from bidsmask.images.blocks import add_volumes, in_one_piece, taken
from bidsmask.numerics.threads import Crew

ORDERS = ["volumes apart", "voxels apart", "reversed", "every second"]


def laid_out(values, order):
    """The block (n, Z, Y, X) in some order of memory."""
    if order == "volumes apart":
        return np.ascontiguousarray(values)
    if order == "voxels apart":
        return np.ascontiguousarray(values.T).T
    if order == "reversed":
        return np.ascontiguousarray(values[:, ::-1])[:, ::-1]
    wide = np.zeros((*values.shape[:3], 2 * values.shape[3]), dtype=values.dtype)
    wide[..., ::2] = values
    return wide[..., ::2]


def random_block(seed, dtype="f8", shape=(5, 4, 7, 3)):
    return np.random.default_rng(seed).integers(-99, 99, shape).astype(dtype)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    order=st.sampled_from(ORDERS),
    dtype=st.sampled_from(["<i2", ">i2", "f4", "f8"]),
    voxels=st.lists(st.integers(0, 83)),
)
def test_the_order_of_memory_changes_nothing(seed, order, dtype, voxels):
    values = random_block(seed, dtype)
    block, voxels = laid_out(values, order), np.array(voxels, dtype=np.intp)
    np.testing.assert_array_equal(block, values)
    flat = values.reshape(5, -1)
    np.testing.assert_array_equal(taken(block, voxels), flat[:, voxels])
    assert taken(block, voxels).flags.c_contiguous
    np.testing.assert_array_equal(in_one_piece(block), values)
    assert in_one_piece(block).flags.c_contiguous
    total = np.ones((4, 7, 3))
    add_volumes(total, block, Crew())
    np.testing.assert_allclose(total, 1 + values.astype("f8").sum(axis=0), rtol=1e-13)


def test_many_voxels_are_taken_in_several_pieces(monkeypatch):
    monkeypatch.setattr(blocks, "_VOXELS_AT_ONCE", 10)
    values = random_block(0)
    voxels = np.arange(84)[::-1]
    found = taken(laid_out(values, "voxels apart"), voxels)
    np.testing.assert_array_equal(found, values.reshape(5, -1)[:, ::-1])


@pytest.mark.parametrize("order", ["volumes apart", "voxels apart"])
def test_a_mean_of_single_precision_is_as_exact_as_single_precision_is(order):
    values = (1000 + np.random.default_rng(1).normal(size=(3000, 2, 2, 2))).astype("f4")
    total = np.zeros((2, 2, 2))
    add_volumes(total, laid_out(values, order), Crew())
    np.testing.assert_allclose(total, values.sum(axis=0, dtype="f8"), rtol=np.finfo("f4").eps)


def test_missing_values_are_added_without_a_word():
    values = np.zeros((2, 1, 1, 3))
    values[:, 0, 0] = [[np.nan, np.inf, 1], [0, -np.inf, 2]]
    total = np.zeros((1, 1, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add_volumes(total, values, Crew())
    np.testing.assert_array_equal(total[0, 0], [np.nan, np.nan, 3])


def test_a_block_in_one_piece_is_not_copied():
    block = laid_out(random_block(0), "volumes apart")
    assert in_one_piece(block) is block
