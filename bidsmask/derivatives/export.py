"""Connectivity of participants in the formats of other programs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray, FloatArray
from bidsmask.derivatives.stacks import square
from bidsmask.derivatives.writing import write_bytes, write_text
from bidsmask.errors import RequestError

_MAT_HEADER = b"MATLAB 5.0 MAT-file, written by bidsmask"
_MAT_HEADER_BYTES = 116


def write_nbs(
    edges: pd.DataFrame, regions: Sequence[str], folder: Path, design: pd.DataFrame | None
) -> list[str]:
    """Write text files for the NBS toolbox, its design among them.

    Parameters
    ----------
    edges : DataFrame of shape (participants, edges)
    regions : sequence of P str
    folder : Path
        Gets ``matrices/subject0001.txt`` and so on, ``nodeLabels.txt``, ``participants.txt`` and
        ``designMatrix.txt``.
    design : DataFrame, optional
        Numbers, one row for each participant: a column of ones, groups, covariates.

    Returns
    -------
    lost : list of str
        Regions that are left out, as a participant has no value of them: NBS knows no gaps.

    Raises
    ------
    RequestError
        If the design has no row, or no number, for a participant.

    References
    ----------
    Zalesky et al. (2010), NeuroImage 53(4), doi:10.1016/j.neuroimage.2010.06.041; the formats are
    those of ``help_data.txt`` and ``help_stats.txt`` of NBS 1.2: one matrix in each text file,
    read in the order of their names, and a line for each label.
    """
    matrices = _matrices(edges)
    kept = _regions_of_all(matrices)
    for number, matrix in enumerate(matrices, 1):
        rows = [" ".join(f"{z:.9g}" for z in row) for row in _without_gaps(matrix, kept)]
        write_text(folder / "matrices" / f"subject{number:04}.txt", _lines(rows), within=folder)
    labels = [name for name, is_kept in zip(regions, kept, strict=True) if is_kept]
    write_text(folder / "nodeLabels.txt", _lines(labels), within=folder)
    write_text(folder / "participants.txt", _lines(map(str, edges.index)), within=folder)
    if design is not None:
        rows = [" ".join(f"{x:.17g}" for x in row) for row in _design(design, edges.index)]
        write_text(folder / "designMatrix.txt", _lines(rows), within=folder)
    return [name for name, is_kept in zip(regions, kept, strict=True) if not is_kept]


def write_conn(
    edges: pd.DataFrame,
    regions: Sequence[str],
    path: Path,
    coordinates_mm: FloatArray | None,
) -> None:
    """Write what CONN keeps of the ROI-to-ROI connectivity of a condition, a MATLAB 5 file.

    Parameters
    ----------
    edges : DataFrame of shape (participants, edges)
        Fisher's z.
    regions : sequence of P str
    path : Path
        CONN calls it ``resultsROI_Condition001.mat``.
    coordinates_mm : array of shape (P, 3), optional
        NaN by default.

    Notes
    -----
    The variables are ``Z`` (P × P × participants; NaN on the diagonal, and where there is no
    value), ``names`` and ``names2`` (1 × P cells) and ``xyz`` (1 × P cells of 1 × 3): those that
    CONN's analyses of a group and ``conn_network`` read from
    ``results/firstlevel/*/resultsROI_Condition*.mat``. Who is who say ``participants`` (1 × N
    cells), which CONN leaves alone. There are no standard errors, no degrees of freedom and no
    regressors in it, which CONN writes and does not read, and it is no project of CONN's.

    References
    ----------
    Whitfield-Gabrieli & Nieto-Castanon (2012), Brain Connectivity 2(3),
    doi:10.1089/brain.2012.0073
    """
    from scipy.io import savemat

    known = np.full((len(regions), 3), np.nan) if coordinates_mm is None else coordinates_mm
    places = np.empty((1, len(regions)), dtype=object)
    places[0, :] = [np.asarray(xyz, dtype=float)[np.newaxis] for xyz in known]
    names = np.array(list(regions), dtype=object)[np.newaxis]
    stacked = np.moveaxis(_matrices(edges), 0, -1)
    who = np.array([str(name) for name in edges.index], dtype=object)[np.newaxis]
    content = io.BytesIO()
    variables = {
        "Z": stacked,
        "names": names,
        "names2": names,
        "xyz": places,
        "participants": who,
    }
    savemat(content, variables)  # type: ignore[arg-type]  # takes a file, too
    header = _MAT_HEADER.ljust(_MAT_HEADER_BYTES)  # scipy's says when it was written
    write_bytes(path, header + content.getvalue()[_MAT_HEADER_BYTES:], within=path.parent)


def _matrices(edges: pd.DataFrame) -> FloatArray:
    return np.array([square(row) for row in edges.to_numpy()])


def _regions_of_all(matrices: FloatArray) -> BoolArray:
    """Which regions everybody has: those that have lost all of their edges, nobody has."""
    off_diagonal = ~np.eye(matrices.shape[1], dtype=bool)
    is_there = (~np.isnan(matrices) & off_diagonal).any(axis=2)
    return np.asarray(is_there.all(axis=0))


def _without_gaps(matrix: FloatArray, kept: BoolArray) -> FloatArray:
    within = matrix[np.ix_(kept, kept)].copy()
    np.fill_diagonal(within, 0)
    if np.isnan(within).any():
        raise RequestError(
            "A participant lacks single edges, which NBS has no way to say. Leave out runs whose "
            "regions have been lost, or participants."
        )
    return within


def _design(design: pd.DataFrame, participants: pd.Index) -> FloatArray:
    missing = participants.difference(design.index)
    if len(missing):
        raise RequestError(f"The design has no row for {', '.join(map(str, missing[:3]))}.")
    try:
        rows = design.loc[participants].to_numpy(dtype=float)
    except ValueError as error:
        raise RequestError(
            f"The design holds something that is no number ({error}). Code groups as 0 and 1."
        ) from error
    if np.isnan(rows).any():
        raise RequestError("The design has gaps. Leave out participants without covariates.")
    return rows


def _lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)
