"""What is said to the caller where data are not used as they were given."""

import inspect
import warnings
from types import FrameType

RESAMPLING_ATLAS = (
    "Resampling {} at transform time. Give the images that you want to transform to fit() first, "
    "or use fit_transform(): then it is done once."
)
RESAMPLING_IMAGES = (
    "Resampling images at transform time, to the grid of the {}. Resample the images beforehand, "
    "or set resampling_target to 'data'."
)

_OURS = ("bidsmask.", "sklearn.", "joblib.")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the caller's own code, and not at one of a library in between."""
    frame: FrameType | None = inspect.currentframe()
    level = 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level + 1)
