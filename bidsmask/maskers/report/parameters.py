"""The parameters of a masker, and the grids of its images, as a report spells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask.errors import BidsmaskError
from bidsmask.images.grid import Grid
from bidsmask.images.series import open_series
from bidsmask.reports.masker import Parameter
from bidsmask.reports.summaries import Fact

MAX_SPELLED = 50
"""Items of a list that the table of parameters shows."""

IMAGES = ("mask_img", "labels_img", "maps_img")
"""Parameters that are images."""


def parameter_table(masker: Any) -> tuple[Parameter, ...]:
    """Spell the parameters of a masker, those first that were set; of images, their headers."""
    changed = masker._changed_parameters()
    values = changed | masker.get_params(deep=False)
    return tuple(
        _image_parameter(
            name, value, is_default=name not in changed, on_surfaces=masker._on_surfaces
        )
        if name in IMAGES and value is not None
        else Parameter(name=name, value=_spelled(value), is_default=name not in changed)
        for name, value in values.items()
    )


def grid_facts(grid: Grid) -> list[Fact]:
    """Say what the grid of an image is."""
    return [
        Fact(label="Grid", value=" × ".join(map(str, grid.shape))),
        Fact(label="Voxels", value=" × ".join(f"{s:.3g}" for s in grid.voxel_sizes_mm) + " mm"),
        Fact(label="Orientation", value=grid.orientation),
    ]


def _image_parameter(
    name: str, img: Any, *, is_default: bool, on_surfaces: bool = False
) -> Parameter:
    if on_surfaces:
        return Parameter(name=name, value=_spelled_surfaces(img), is_default=is_default)
    words = str(img) if isinstance(img, str | Path) else f"{type(img).__name__} in memory"
    try:
        series = open_series(img)
    except (BidsmaskError, OSError, TypeError, ValueError) as error:  # the masker may be unfitted
        reason = Fact(label="Cannot be read", value=str(error))
        return Parameter(name=name, value=words, is_default=is_default, details=(reason,))
    return Parameter(
        name=name,
        value=words,
        is_default=is_default,
        details=(
            *grid_facts(series.grid),
            Fact(label="Volumes", value=str(series.n_volumes)),
            Fact(label="Type", value=series.dtype.name),
        ),
    )


def _spelled_surfaces(img: Any) -> str:
    """Spell an image on surfaces: its path or paths, or what it is."""
    if isinstance(img, str | Path):
        return str(img)
    if isinstance(img, Mapping):
        return ", ".join(f"{side}: {_spelled_surfaces(each)}" for side, each in img.items())
    if isinstance(img, list | tuple):
        return " and ".join(map(_spelled_surfaces, img))
    return f"{type(img).__name__} in memory"


def _spelled(value: Any) -> str:
    """Write a value so that it can be read, and the same way each time.

    Examples
    --------
    >>> _spelled([np.float64(1.5), None]), _spelled(np.zeros((2, 3)))
    ('[1.5, None]', 'ndarray of shape (2, 3)')
    """
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, list | tuple):
        return _spelled_list(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_spelled(each)}" for key, each in value.items()) or "{}"
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    if getattr(type(value), "__repr__", None) is object.__repr__:  # says where in memory it is
        return " ".join([type(value).__name__, str(getattr(value, "name", ""))]).strip()
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:299]}…"


def _spelled_list(values: Sequence[Any]) -> str:
    shown = ", ".join(_spelled(each) for each in values[:MAX_SPELLED])
    n_more = len(values) - MAX_SPELLED
    return f"[{shown} and {n_more} more]" if n_more > 0 else f"[{shown}]"
