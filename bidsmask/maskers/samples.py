"""Which volumes belong to which run, and which of them are kept."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bidsmask._typing import BoolArray, IntArray

Rows = slice | IntArray


def rows_of_runs(runs: Any, n_volumes: int) -> list[Rows]:
    """Which rows belong to each run, the runs sorted by label.

    Parameters
    ----------
    runs : array of shape (T,), or None
        A label for each volume. None: they are all of one run.
    n_volumes : int
        T.

    Raises
    ------
    ValueError
        If there is not one label for each volume.

    Examples
    --------
    >>> rows_of_runs(["b", "a", "b"], 3)
    [array([1]), array([0, 2])]
    """
    if runs is None:
        return [slice(n_volumes)]
    labels = np.asarray(runs)
    if labels.shape != (n_volumes,):
        raise ValueError(
            f"The length of the run vector ({len(labels)}) does not match the length of the "
            f"signals ({n_volumes})."
        )
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def masks_of_runs(sample_mask: Any, lengths: Sequence[int]) -> list[BoolArray]:
    """Give a mask for each run: True = kept.

    Parameters
    ----------
    sample_mask : None, array, or list of these
        Increasing indices of the volumes to keep, or a bool for each volume. A list holds one
        for each run. None: all volumes.
    lengths : sequence of int
        Volumes of each run.

    Raises
    ------
    ValueError
        If there is not one mask for each run, or indices are below 0 or do not increase.
    IndexError
        If an index lies beyond the run, or there is not a bool for each volume.
    TypeError
        If a mask holds something else.

    Examples
    --------
    >>> masks_of_runs([[0, 2], None], [3, 2])
    [array([ True, False,  True]), array([ True,  True])]
    """
    if sample_mask is None:
        return [np.ones(length, dtype=bool) for length in lengths]
    masks = sample_mask if _is_list_of_masks(sample_mask) else [sample_mask]
    if len(masks) != len(lengths):
        raise ValueError(
            f"Number of sample_mask ({len(masks)}) not matching number of runs ({len(lengths)})."
        )
    return [_as_bool(mask, length) for mask, length in zip(masks, lengths, strict=True)]


def _is_list_of_masks(sample_mask: Any) -> bool:
    return (
        isinstance(sample_mask, list | tuple)
        and len(sample_mask) > 0
        and all(mask is None or np.ndim(mask) == 1 for mask in sample_mask)
    )


def _as_bool(mask: Any, n_volumes: int) -> BoolArray:
    if mask is None:
        return np.ones(n_volumes, dtype=bool)
    array = np.asarray(mask)
    if array.dtype.kind == "f" and np.array_equal(array, np.rint(array)):
        array = array.astype(np.int64)  # as tables of numbers have them
    if array.ndim != 1 or (array.size and array.dtype.kind not in "biu"):
        raise TypeError(
            f"A sample_mask must be of type int or bool, with one dimension; not {mask!r}."
        )
    if array.dtype.kind != "b":
        return _from_indices(array.astype(np.int64), n_volumes)
    if array.size != n_volumes:
        raise IndexError(
            f"The sample_mask has {array.size} bools, but the run has {n_volumes} volumes."
        )
    return array.copy()


def _from_indices(indices: IntArray, n_volumes: int) -> BoolArray:
    if indices.size > n_volumes:
        raise IndexError(
            f"The sample_mask has more timepoints than the current run: {indices.size} indices "
            f"for {n_volumes} volumes."
        )
    if (indices < 0).any():
        raise ValueError("sample_mask should not contain negative values.")
    if (indices >= n_volumes).any():
        raise IndexError(
            f"The sample_mask contains invalid index {indices[indices >= n_volumes]}: the run has "
            f"{n_volumes} volumes, counted from 0."
        )
    if (np.diff(indices) <= 0).any():
        raise ValueError("The indices of a sample_mask must increase; volumes keep their order.")
    kept: BoolArray = np.zeros(n_volumes, dtype=bool)
    kept[indices] = True
    return kept
