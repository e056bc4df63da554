"""What is said to the caller where data are not used as they were given."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


_heard: ContextVar[list[str] | None] = ContextVar("_heard", default=None)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Note down, in the list that it gives, what is said to the caller meanwhile."""
    messages: list[str] = []
    token = _heard.set(messages)
    try:
        yield messages
    finally:
        _heard.reset(token)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the caller's own code, and not at one of a library in between."""
    messages = _heard.get()
    if messages is not None:
        messages.append(message)
    frame: FrameType | None = inspect.currentframe()
    level = 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level + 1)
