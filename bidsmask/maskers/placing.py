"""What is said where an atlas, a mask and a run lie on different grids."""

from bidsmask.errors import SpaceError
from bidsmask.images.grid import Grid

RESAMPLING_ATLAS = (
    "Resampling {} at transform time. Give the images that you want to transform to fit() first, "
    "or use fit_transform(): then it is done once."
)
RESAMPLING_IMAGES = (
    "Resampling images at transform time, to the grid of the {}. Resample the images beforehand, "
    "or set resampling_target to 'data'."
)


def refuse_other_grids(grids: dict[str, Grid]) -> None:
    """Refuse images that lie on different grids where nothing is resampled.

    Raises
    ------
    SpaceError
        Naming the first that differs from the first of all.
    """
    (first, grid), *others = grids.items()
    for name, other in others:
        if other != grid:
            raise SpaceError(
                "Following field of view errors were detected: Images have incompatible shapes "
                f"or affines. {first}: {grid}; {name}: {other}. Resample one of them, or choose "
                "a resampling_target."
            )
