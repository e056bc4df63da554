"""Stacks: signals or matrices of many runs in one HDF5 file with labelled axes.

Axes are dimension scales, as netCDF 4 has them, so that xarray and dask open a stack as it is.
Numbers are in single precision, which is what the tables of runs hold: each is the number that is
written there. Chunks are as small as one edge of all runs needs, and as large as one run needs.
Chunks have checksums, so that a damaged one is an error, and no other number. Nothing in a file
depends on when it was written, or on how its numbers were read.

=============  ======================  ===========================================
matrices       (run, edge)             ``relation``: pairs of regions, one region
                                       before the other, along the rows
               (run, region)           ``diagonal``
time series    (run, time, region)     ``signal``: NaN in censored volumes, and
                                       behind the end of a run
tangents       (run,)                  ``included``: 1 in the group whose mean is at 0
               (edge,)                 ``reference``: that mean, off its diagonal
               (region,)               ``reference_diagonal``
of all         (run,)                  ``participant_id``, ``session_id``, ``task_id``,
                                       ``run_id``, ``n_volumes``, ``t_r``, ``sha256``
=============  ======================  ===========================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.derivatives.writing import write_by
from bidsmask.errors import OutputError

if TYPE_CHECKING:
    import h5py
    import pandas as pd

RELATION, DIAGONAL, SIGNAL = "relation", "diagonal", "signal"

RUNS_AT_ONCE = 32
"""Runs whose matrices are written, and read, together."""

_EDGES_OF_CHUNK = 512
"""Of 32 runs, they have 64 KiB: one edge of 2,000 runs is read from 4 MB, one run from 10 MB."""

_BYTES_OF_CHUNK = 1 << 18
"""Of signals: a chunk is of one run, all of its volumes if there are not too many."""

_VERSION = ("v110", "v110")
"""Of the format: any HDF5 since 2016 reads it, and all write the same."""


@dataclass(frozen=True, kw_only=True)
class StackedRun:
    """What is known of a run in a stack.

    Parameters
    ----------
    run : str
        Its name.
    participant_id, session_id, task_id, run_id : str
        As in the tables of a group; "" if it has none.
    n_volumes : int
        Censored ones included.
    t_r : float
        In seconds.
    sha256 : str
        Of the table that the numbers are from.
    """

    run: str
    participant_id: str
    session_id: str = ""
    task_id: str = ""
    run_id: str = ""
    n_volumes: int
    t_r: float
    sha256: str = ""


class Triangle(NamedTuple):
    """A symmetric matrix: what is above its diagonal, along the rows, and the diagonal."""

    above: FloatArray
    diagonal: FloatArray


class Origin(NamedTuple):
    """Of a tangent space: the mean of a group, and which of N runs this group is, (N,)."""

    mean: Triangle
    included: BoolArray


def edges_of(n_regions: int) -> tuple[IntArray, IntArray]:
    """Give the first and the second region of each edge, in the order of stacks.

    Examples
    --------
    >>> edges_of(3)
    (array([0, 0, 1]), array([1, 2, 2]))
    """
    first, second = np.triu_indices(n_regions, k=1)
    return first, second


def edge_names(regions: Sequence[str]) -> list[str]:
    """Name the edges between regions.

    Examples
    --------
    >>> edge_names(["A", "B", "C"])
    ['A--B', 'A--C', 'B--C']
    """
    pairs = zip(*edges_of(len(regions)), strict=True)
    return [f"{regions[one]}--{regions[other]}" for one, other in pairs]


def square(edges: FloatArray, diagonal: FloatArray | float = np.nan) -> FloatArray:
    """Make a symmetric matrix of its edges.

    Parameters
    ----------
    edges : array of shape (P (P - 1) / 2,)
    diagonal : array of shape (P,), or a number

    Examples
    --------
    >>> square(np.array([0.5]), 1.0)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    n_regions = round((1 + np.sqrt(1 + 8 * len(edges))) / 2)
    matrix = np.empty((n_regions, n_regions), dtype=edges.dtype)
    below = np.tri(n_regions, k=-1, dtype=bool)
    matrix[below.T] = edges
    np.copyto(matrix, matrix.T, where=below)
    np.fill_diagonal(matrix, diagonal)
    return matrix


def write_matrices(
    path: Path,
    runs: Sequence[StackedRun],
    regions: Sequence[str],
    matrices: Iterable[Triangle],
    about: Mapping[str, str],
    *,
    within: Path,
    origin: Origin | None = None,
) -> None:
    """Write the matrices of runs as one stack, whole or not at all.

    Parameters
    ----------
    path : Path
    runs : sequence of N StackedRun
    regions : sequence of P str
    matrices : iterable of N Triangle
        Made while they are written; some of them are in memory at a time.
    about : mapping
        What the relations are: attributes of them.
    within : Path
        The folder that the file has to lie in.
    origin : Origin, optional
        Of a tangent space.

    Raises
    ------
    StorageError, OutputError
        If it cannot be written.
    """

    def fill(file: h5py.File) -> None:
        _write_axes(file, runs, regions)
        first, second = edges_of(len(regions))
        _write_axis(file, "edge", edge_names(regions))
        for name, ends in (("region_1", first), ("region_2", second)):
            _write_column(file, name, ends.astype(np.int32), "edge")
        if origin is not None:
            _write_column(file, "included", origin.included.astype(np.int8), "run")
            _write_column(file, "reference", origin.mean.above, "edge")
            _write_column(file, "reference_diagonal", origin.mean.diagonal, "region")
        shape = len(runs), len(first)
        chunks = min(RUNS_AT_ONCE, shape[0]), max(min(_EDGES_OF_CHUNK, shape[1]), 1)
        relation = _new(file, RELATION, shape, chunks, ("run", "edge"), about)
        of_diagonal = len(runs), len(regions)
        rows = chunks[0], len(regions)
        diagonal = _new(file, DIAGONAL, of_diagonal, rows, ("run", "region"), {})
        edges = np.empty((chunks[0], shape[1]), dtype=np.float32)
        itself = np.empty(rows, dtype=np.float32)
        for number, (_, each) in enumerate(zip(runs, matrices, strict=True)):
            row = number % len(edges)
            edges[row], itself[row] = each
            if row + 1 == len(edges) or number + 1 == len(runs):
                part = slice(number - row, number + 1)
                relation[part], diagonal[part] = edges[: row + 1], itself[: row + 1]

    _write(path, fill, within)


def write_series(
    path: Path,
    runs: Sequence[StackedRun],
    regions: Sequence[str],
    series: Iterable[FloatArray],
    about: Mapping[str, str],
    *,
    within: Path,
) -> None:
    """Write the signals of runs as one stack, whole or not at all.

    Parameters
    ----------
    path, runs, regions, about, within
        See `write_matrices`.
    series : iterable of N arrays of shape (T, P)
        A row for each volume of the run.

    Raises
    ------
    StorageError, OutputError
        If it cannot be written.
    """

    def fill(file: h5py.File) -> None:
        _write_axes(file, runs, regions)
        n_volumes = max(run.n_volumes for run in runs)
        _write_axis(file, "time", np.arange(n_volumes, dtype=np.int32))
        rows = min(n_volumes, _BYTES_OF_CHUNK // 4)
        columns = max(min(len(regions), _BYTES_OF_CHUNK // (4 * rows)), 1)
        shape = len(runs), n_volumes, len(regions)
        signal = _new(file, SIGNAL, shape, (1, rows, columns), ("run", "time", "region"), about)
        for number, each in enumerate(series):
            signal[number, : len(each)] = each.astype(np.float32)

    _write(path, fill, within)


class Stack:
    """A stack that is open for reading.

    Parameters
    ----------
    file : h5py.File
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    @property
    def runs(self) -> pd.DataFrame:
        """What is known of each run: the fields of `StackedRun`."""
        import pandas as pd

        return pd.DataFrame({field.name: self._column(field.name) for field in fields(StackedRun)})

    @property
    def regions(self) -> list[str]:
        """Names of the regions."""
        return self._column("region")

    @property
    def about(self) -> dict[str, str]:
        """What the numbers are."""
        name = RELATION if self.has_matrices else SIGNAL
        hidden = ("DIMENSION_LIST", "_FillValue")
        return {
            key: str(value) for key, value in self._file[name].attrs.items() if key not in hidden
        }

    @property
    def has_matrices(self) -> bool:
        """Whether it is of matrices, and not of time series."""
        return RELATION in self._file

    def edges(self, runs: slice | int, edges: slice | int = slice(None)) -> FloatArray:
        """Read some edges of some runs, in single precision."""
        values: FloatArray = self._file[RELATION][runs, edges]
        return values

    def diagonal(self, runs: slice | int) -> FloatArray:
        """Read the diagonals of the matrices of some runs, (n, P), or of one, (P,)."""
        values: FloatArray = self._file[DIAGONAL][runs]
        return values

    def matrix(self, run: int) -> FloatArray:
        """Read the matrix of a run, (P, P)."""
        return square(self.edges(run), self.diagonal(run))

    def signals(self, run: int, regions: slice | int = slice(None)) -> FloatArray:
        """Read the signals of a run, (T, P), or of one region."""
        n_volumes = int(self._file["n_volumes"][run])
        values: FloatArray = self._file[SIGNAL][run, :n_volumes, regions]
        return values

    @property
    def blocks(self) -> list[slice]:
        """Runs that are read together fastest."""
        n_runs = self._file[RELATION].shape[0]
        starts = range(0, n_runs, RUNS_AT_ONCE)
        return [slice(start, min(start + RUNS_AT_ONCE, n_runs)) for start in starts]

    def _column(self, name: str) -> list[Any]:
        dataset = self._file[name]
        texts = dataset.dtype.kind == "O"
        values: list[Any] = (dataset.asstr()[:] if texts else dataset[:]).tolist()
        return values


@contextmanager
def open_stack(path: Path) -> Iterator[Stack]:
    """Open a stack for reading.

    Raises
    ------
    OutputError
        If it is none, or cannot be read.
    """
    import h5py

    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be read as a stack ({error}). Run the group level again: it is made "
            "anew."
        ) from error
    with file:
        yield Stack(file)


def _write(path: Path, fill: Any, within: Path) -> None:
    import h5py

    def make(temporary: Path) -> None:
        # No locks: some network shares have none, and nobody else knows this name.
        with h5py.File(temporary, "x", libver=_VERSION, locking=False) as file:
            fill(file)

    write_by(path, make, within=within)


def _write_axes(file: h5py.File, runs: Sequence[StackedRun], regions: Sequence[str]) -> None:
    _write_axis(file, "run", [run.run for run in runs])
    _write_axis(file, "region", list(regions))
    for field in fields(StackedRun)[1:]:
        _write_column(file, field.name, [getattr(run, field.name) for run in runs], "run")


def _write_axis(file: h5py.File, name: str, labels: Any) -> None:
    _stored(file, name, labels).make_scale(name)


def _write_column(file: h5py.File, name: str, values: Any, axis: str) -> None:
    _stored(file, name, values).dims[0].attach_scale(file[axis])


def _stored(file: h5py.File, name: str, values: Any) -> Any:
    import h5py

    texts = isinstance(values, list) and all(isinstance(each, str) for each in values)
    kind = h5py.string_dtype("utf-8") if texts else None
    return file.create_dataset(name, data=values, dtype=kind, track_times=False)


def _new(
    file: h5py.File,
    name: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    axes: Sequence[str],
    about: Mapping[str, str],
) -> Any:
    """Make an array in a file, NaN where nothing is written; its chunks have checksums."""
    dataset = file.create_dataset(
        name,
        shape,
        np.float32,
        chunks=chunks if all(shape) else None,  # one region has no edge
        fillvalue=np.nan,
        track_times=False,
        fletcher32=all(shape),
    )
    for dimension, axis in zip(dataset.dims, axes, strict=True):
        dimension.attach_scale(file[axis])
    dataset.attrs.update(about)
    return dataset
