"""What a masker reads off a run, in one pass over its volumes."""

from dataclasses import dataclass

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.columns.readers import read_all, readers_of
from bidsmask.images.request import Reading
from bidsmask.images.series import Series
from bidsmask.maskers.report.kept import MOST_PICTURED
from bidsmask.numerics.threads import Crew, n_threads


@dataclass(frozen=True, kw_only=True, eq=False)
class Extraction:
    """What a masker reads off one run.

    Parameters
    ----------
    signals : array of shape (T, P)
    finite : bool array of shape (V,)
        Which voxels of the projection's support are finite numbers in all volumes.
    picture : float array of shape (V_all,)
        Mean of up to 16 volumes, evenly spaced over the run, as they are in the image: for
        reports.
    """

    signals: Array
    finite: BoolArray
    picture: FloatArray


def extract(series: Series, reading: Reading) -> Extraction:
    """Read the columns of a projection off a run, of which only a block is ever held.

    Parameters
    ----------
    series : Series
    reading : Reading

    Returns
    -------
    extraction : Extraction
    """
    (reader,) = readers_of(series, [reading])
    picture = Picture(series.n_volumes, series.grid.shape)
    read_all(series, [reader], picture.see)
    return Extraction(
        signals=reader.signals(), finite=reader.finite, picture=series.scale(picture.mean())
    )


class Picture:
    """Mean of up to 16 volumes, evenly spaced over a run.

    Parameters
    ----------
    n_volumes : int
    shape : three ints
        Shape (X, Y, Z) of the volumes.

    Examples
    --------
    >>> picture = Picture(n_volumes=2, shape=(1, 1, 1))
    >>> picture.see(slice(0, 2), np.array([1, 4], dtype=np.int16).reshape(2, 1, 1, 1))
    >>> picture.mean()
    array([2.5], dtype=float32)
    """

    def __init__(self, n_volumes: int, shape: tuple[int, int, int]) -> None:
        n_shown = min(n_volumes, MOST_PICTURED)
        self._chosen = np.linspace(0, n_volumes - 1, n_shown).astype(np.intp)
        self._crew = Crew()
        self._sum = np.zeros(shape[::-1], dtype=np.float32)  # enough for a picture

    def see(self, volumes: slice, block: Array) -> None:
        """Take what is wanted of a block (n, Z, Y, X), of which the cache holds a plane."""
        here = (self._chosen >= volumes.start) & (self._chosen < volumes.stop)
        rows = self._chosen[here] - volumes.start

        def add(first: int) -> None:
            with np.errstate(over="ignore", invalid="ignore"):
                for y in range(first, self._sum.shape[1], n_threads()):
                    for row in rows:
                        self._sum[:, y] += block[row, :, y]

        self._crew.do(add, n_threads())

    def mean(self) -> FloatArray:
        """Give the mean (V_all,) of the volumes, once all have been seen; not scaled."""
        return self._sum.ravel() / self._chosen.size
