"""Warnings that point at the line of the user, however deep they come from."""

import inspect
import warnings


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line outside of this package that led here."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith("bidsmask."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
