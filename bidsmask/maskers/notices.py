"""What is said to the caller: where data are not used as they were given, and what is done."""

import inspect
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

RESAMPLING_ATLAS = (
    "Resampling {} at transform time. Give the images that you want to transform to fit() first, "
    "or use fit_transform(): then it is done once."
)
RESAMPLING_IMAGES = (
    "Resampling images at transform time, to the grid of the {}. Resample the images beforehand, "
    "or set resampling_target to 'data'."
)

_OURS = ("bidsmask.", "sklearn.", "joblib.")


def say(masker: Any, step: str, images: Any = None) -> None:
    """Print which step a masker takes, and in which of its methods, if it is ``verbose``.

    Parameters
    ----------
    masker : Masker
    step : str
    images : images, optional
        What the step is about; their path, or their shape, is put behind it.
    """
    if masker.verbose:
        about = "" if images is None else f" {_described(images)}"
        print(f"[{type(masker).__name__}.{_called(masker)}] {step}{about}")  # noqa: T201


def _called(masker: Any) -> str:
    """Name of the method of a masker that somebody else has called."""
    name = ""
    frame = inspect.currentframe()
    while frame is not None:
        is_its_own = frame.f_locals.get("self") is masker
        if is_its_own and hasattr(type(masker), frame.f_code.co_name):
            name = frame.f_code.co_name
        frame = frame.f_back
    return name


def _described(images: Any) -> str:
    """Say which images these are.

    Examples
    --------
    >>> _described(["a.nii", "b.nii"])
    'a list of 2 images'
    """
    if isinstance(images, (str, Path)):
        return str(images)
    if isinstance(images, (list, tuple)):
        return f"a list of {len(images)} images"
    shape = getattr(images, "shape", None)
    return type(images).__name__ + ("" if shape is None else f" of shape {shape}")


@dataclass
class _Listener:
    """What is said meanwhile, and what has been said before."""

    messages: list[str]
    before: Collection[str]


_listener: ContextVar[_Listener | None] = ContextVar("_listener", default=None)


@contextmanager
def heard(before: Collection[str] = ()) -> Iterator[list[str]]:
    """Note down, in the list that it gives, what is said to the caller meanwhile.

    Parameters
    ----------
    before : collection of str
        What has been said already: it is noted down, and said again only if that matters.
    """
    messages: list[str] = []
    token = _listener.set(_Listener(messages, before))
    try:
        yield messages
    finally:
        _listener.reset(token)


def warn(message: str, category: type[Warning] = UserWarning, *, once: bool = False) -> None:
    """Warn at the line of the caller's own code, and not at one of a library in between.

    With `once`, not if it has been said before; see `heard`.
    """
    listener = _listener.get()
    if listener is not None:
        told = message in listener.before or message in listener.messages
        listener.messages.append(message)
        if once and told:
            return
    frame: FrameType | None = inspect.currentframe()
    level = 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level + 1)
