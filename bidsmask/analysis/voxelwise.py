"""The cleaned voxels of a run, and what each of them shares with seeds.

Voxels are so many that their signals wait on the disk (`bidsmask.images.signals_on_disk`): some
columns at a time are cleaned, some volumes at a time are written. What memory that takes depends
on neither the number of voxels nor, but for a few volumes, on that of volumes. In images, what
lies outside of the mask is 0, and voxels inside of it that have no signal are NaN.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask.analysis.rows import n_rows, rows_for
from bidsmask.analysis.store import PlacedSources
from bidsmask.images.grid import Grid
from bidsmask.images.masked_volumes import image_pieces
from bidsmask.images.signals_on_disk import Signals, SignalsOnDisk
from bidsmask.images.surface_files import value_files
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.connectivity.plain import correlation_with
from bidsmask.numerics.smooth import SmoothingInside
from bidsmask.numerics.temporal import VALUES_AT_ONCE
from bidsmask.numerics.threads import in_order
from bidsmask.vocabulary import CensorOutput, FileFormat

_BLOCKS_AT_ONCE = 16
"""Of as many columns as the cleaner takes: a disk likes to be asked for 64 kB of a row."""

_BLOCKS_IN_ONE_PIECE = 4
"""Where all volumes of a column lie together: enough for the threads."""


def clean_voxels(
    voxels: Signals,
    cleaner: Cleaner,
    out: Signals,
    *,
    covered: BoolArray,
    how: CensorOutput = "na",
) -> None:
    """Clean the voxels of a run.

    Parameters
    ----------
    voxels : array or SignalsOnDisk of shape (T, V)
        Not changed.
    cleaner : Cleaner
        Of the run.
    out : array or SignalsOnDisk of shape (T, V), or (T_kept, V) for "drop"
        float32; filled.
    covered : bool array of shape (V,)
        Voxels that have a signal: finite in every volume, and not constant. All others, and those
        with a value that is not finite in a kept volume, become NaN.
    how : {"na", "interpolate", "drop"}
        What stands in place of censored volumes; see `bidsmask.analysis.rows.rows_for`.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.

    Notes
    -----
    The numbers are those of the `Cleaner` for all voxels at once, rounded to float32.
    """
    n_volumes, n_voxels = voxels.shape
    kept = cleaner.sample_mask
    expected = (n_rows(kept, how), n_voxels)
    if out.shape != expected or covered.shape != (n_voxels,):
        raise ValueError(
            f"Signals of shape {voxels.shape} make cleaned ones of shape {expected}, and not "
            f"{out.shape}; covered is {covered.shape}."
        )
    together = isinstance(voxels, SignalsOnDisk) and voxels.by_columns
    n_blocks = _BLOCKS_IN_ONE_PIECE if together else _BLOCKS_AT_ONCE
    for columns in column_chunks(n_voxels, n_volumes, n_blocks=n_blocks):
        some = np.array(voxels[:, columns])
        some[:, ~covered[columns]] = np.nan
        cleaned = np.empty((expected[0], some.shape[1]), dtype=np.float32)
        for block_columns, block in cleaner.blocks(some):
            cleaned[:, block_columns] = rows_for(block, kept, how, cleaner.parameters.bridge)
        out[:, columns] = cleaned


def map_seeds(
    seeds: FloatArray, voxels: Signals, out: Signals, *, kept: BoolArray, fisher_z: bool = False
) -> None:
    """Correlate every seed with every voxel.

    Parameters
    ----------
    seeds : array of shape (T_kept, P)
        Cleaned signals of the kept volumes.
    voxels : array or SignalsOnDisk of shape (T, V)
        Cleaned in the same way.
    out : array or SignalsOnDisk of shape (P, V)
        float32; filled with Pearson's r, NaN where the seed or the voxel has no signal or does
        not vary.
    kept : bool array of shape (T,)
        The rows of `voxels` that `seeds` has rows for: ``sample_mask``, or all of those that
        ``censor_output="drop"`` left.
    fisher_z : bool
        Take the inverse hyperbolic tangent of r. A voxel that is its own seed is at infinity.

    Raises
    ------
    DegreesOfFreedomError
        If fewer than two volumes are kept.
    ValueError
        If the shapes do not fit each other.
    """
    if out.shape != (seeds.shape[1], voxels.shape[1]) or np.count_nonzero(kept) != len(seeds):
        raise ValueError(
            f"Seeds {seeds.shape} and {np.count_nonzero(kept)} kept volumes of voxels "
            f"{voxels.shape} do not make maps of shape {out.shape}."
        )
    chunks = column_chunks(voxels.shape[1], max(voxels.shape[0], out.shape[0]), n_blocks=4)

    def correlate(columns: slice) -> FloatArray:
        r = correlation_with(seeds, voxels[:, columns][kept])
        with np.errstate(divide="ignore"):  # 1 goes to infinity, as it says above
            return np.arctanh(r) if fisher_z else r

    for columns, maps in zip(chunks, in_order(correlate, chunks), strict=True):
        out[:, columns] = maps


def voxel_pieces(
    signals: Signals,
    *,
    mask: BoolArray,
    grid: Grid,
    t_r: float | None = None,
    smoothing_fwhm_mm: float | None = None,
) -> Iterator[bytes]:
    """Give the content of an image of the voxels of a mask, piece by piece.

    Parameters
    ----------
    signals : array or SignalsOnDisk of shape (T, V)
        Cleaned volumes, or one map for each seed.
    mask : bool array of shape (X, Y, Z)
        Voxels that the signals belong to, flat with x running fastest. All others are 0.
    grid : Grid
    t_r : float, optional
        Repetition time in seconds. There is none for maps, nor where volumes are left out: the
        header then says 0.
    smoothing_fwhm_mm : float, optional
        Smooth each volume inside of the mask, see `bidsmask.numerics.smooth.SmoothingInside`.
        What is smoothed keeps no unit: standard scores have a smaller variance afterwards.

    Yields
    ------
    piece : bytes
        See `bidsmask.images.masked_volumes.image_pieces`.

    Raises
    ------
    SpaceError
        If the mask does not fit the grid or the signals.
    """
    smooth = _smoothing(mask, grid, smoothing_fwhm_mm)
    return image_pieces(signals, mask=mask, grid=grid, t_r=t_r, change=smooth)


def images_of(
    signals: Signals,
    placed: PlacedSources,
    file_format: FileFormat,
    *,
    t_r: float | None = None,
    titles: Sequence[str] = (),
    smoothing_fwhm_mm: float | None = None,
) -> Iterator[Iterator[bytes]]:
    """Give the content of the images of a run: one, or of a pair of hemispheres one each.

    Parameters
    ----------
    signals : array or SignalsOnDisk of shape (T, V)
        Cleaned volumes, or maps.
    placed : PlacedSources
        Says where they lie.
    file_format : {"nifti", "cifti", "gifti"}
        That of the run.
    t_r : float, optional
        Repetition time in seconds; see `voxel_pieces`.
    titles : sequence of T str, optional
        Of maps.
    smoothing_fwhm_mm : float, optional
        Of volumes only.
    """
    if file_format != "nifti":
        yield from value_files(signals, placed.grid, file_format, t_r=t_r, titles=titles)
        return
    yield voxel_pieces(
        signals,
        mask=placed.mask,
        grid=placed.grid,
        t_r=t_r,
        smoothing_fwhm_mm=smoothing_fwhm_mm,
    )


def _smoothing(
    mask: BoolArray, grid: Grid, fwhm_mm: float | None
) -> Callable[[FloatArray], Array] | None:
    if fwhm_mm is None:
        return None
    inside = np.flatnonzero(mask.ravel(order="F"))
    return SmoothingInside(inside, grid.shape, grid.affine, fwhm_mm)


def column_chunks(n_columns: int, n_rows: int, *, n_blocks: int = _BLOCKS_AT_ONCE) -> list[slice]:
    """Columns to work on at a time, of which none are fewer than the others.

    They are whole blocks of the cleaner's, so that it computes the same as with all columns.
    """
    width = n_blocks * max(1, VALUES_AT_ONCE // n_rows)
    starts = range(0, max(n_columns - width, 0) + 1, width)
    stops = [*starts[1:], n_columns]
    return [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]
