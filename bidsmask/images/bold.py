"""The door for runs of the command line: which files they are of decides how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bidsmask.images.meshes import read_mesh
from bidsmask.images.stream import BoldStream
from bidsmask.images.surface_series import SurfaceSeries, are_on_surfaces, open_surfaces


def open_bold(
    files: Sequence[Path], meshes: Sequence[tuple[str, Path]] = ()
) -> BoldStream | SurfaceSeries:
    """Open a run, of which nothing is read yet but the header.

    Parameters
    ----------
    files : sequence of Path
        An image of volumes, a CIFTI file, or GIFTI files of both hemispheres.
    meshes : sequence of (structure, Path)
        Those that a run on surfaces lies on, if it is to be smoothed.

    Raises
    ------
    ImageError
        If a file cannot be used, or hemispheres do not fit together.
    """
    first, *others = files
    if not are_on_surfaces(first):
        return BoldStream(first)
    series = open_surfaces(list(files) if others else first)
    return series.on_meshes({structure: read_mesh(path) for structure, path in meshes})
