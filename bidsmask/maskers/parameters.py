"""What a masker may be told, judged once, when it is fitted.

A constructor only remembers (scikit-learn asks for that), so this is the door. What is remembered
is never changed here.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from bidsmask._typing import Array
from bidsmask.maskers.notices import warn

Rule = tuple[Callable[[Any], bool], str]


def is_number(value: Any) -> bool:
    """Whether it is a real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_width(value: Any) -> bool:
    """Whether it is a width in mm, one for each axis, or "fast"."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return len(value) == 3 and all(is_number(item) for item in value)
    return is_number(value) or (isinstance(value, str) and value == "fast")


def _optional(rule: Rule) -> Rule:
    accepts, words = rule
    return lambda value: value is None or accepts(value), f"{words}, or None"


_NUMBER: Rule = (is_number, "a number")
_BOOL: Rule = (_is_bool, "True or False")
_MAPPING: Rule = (lambda value: isinstance(value, Mapping), "a dict")

_RULES: dict[str, Rule] = {
    "smoothing_fwhm": _optional((_is_width, 'a number of mm, three of them, "fast"')),
    "low_pass": _optional(_NUMBER),
    "high_pass": _optional(_NUMBER),
    "t_r": _optional(_NUMBER),
    "min_coverage": _NUMBER,
    "background_label": _NUMBER,
    "memory_level": (_is_integer, "a whole number"),
    "n_jobs": (_is_integer, "a whole number"),
    "mask_args": _optional(_MAPPING),
    "clean_args": _optional(_MAPPING),
    "labels": _optional((lambda value: isinstance(value, list), "a list of texts")),
    "verbose": (lambda value: isinstance(value, Integral), "a whole number"),
    "target_shape": _optional((lambda value: len(np.shape(value)) == 1, "three whole numbers")),
    "target_affine": _optional((lambda value: np.ndim(value) > 0, "a 3 × 3 or 4 × 4 matrix")),
} | dict.fromkeys(
    (
        *("standardize_confounds", "high_variance_confounds", "detrend", "reports"),
        *("keep_masked_labels", "keep_masked_maps", "keep_empty", "allow_overlap"),
    ),
    _BOOL,
)

_CHOICES: dict[str, tuple[Any, ...]] = {
    "standardize": ("zscore_sample", "zscore", "psc", True, False, None),
    "mask_strategy": (
        *("background", "epi", "whole-brain-template", "gm-template", "wm-template", "template"),
    ),
}

_LEAVING = {
    "keep_masked_labels": (
        'In version 0.15.0, "keep_masked_labels" parameter will be removed from nilearn.'
    ),
    "keep_masked_maps": (
        'In nilearn, "keep_masked_maps" parameter will be removed in version 0.15.'
    ),
}
"""Parameters that work here and will not work there, and how nilearn announces it."""


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters of the wrong kind.

    Parameters
    ----------
    parameters : mapping
        As ``masker.get_params(deep=False)`` gives them.

    Raises
    ------
    TypeError
        If a value has a type that means nothing here, such as True for a number.
    ValueError
        If a value is none of those there are to choose from.

    Warns
    -----
    FutureWarning
        If a parameter is made use of that nilearn is going to remove.
    """
    for name, value in parameters.items():
        if name in _RULES:
            _check_kind(name, value, _RULES[name])
        if name in _CHOICES:
            check_choice(name, value, _CHOICES[name])
        if name in _LEAVING and value:
            warn(
                f"{_LEAVING[name]} Here it stays. keep_empty=True keeps such columns, too, and "
                "tells NaN from 0.",
                FutureWarning,
            )
    _check_dtype(parameters.get("dtype"))


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Refuse a value that is none of the choices.

    Raises
    ------
    ValueError
        Naming the choices, and the one that is spelled most alike.

    Examples
    --------
    >>> check_choice("end", "lft", ("left", "right"))
    Traceback (most recent call last):
        ...
    ValueError: Unknown value of end 'lft': 'end' must be one of 'left', 'right'. Is 'left' meant?
    """
    if any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        return
    words = [choice for choice in choices if isinstance(choice, str)]
    close = get_close_matches(str(value), words, 1)
    hint = f" Is {close[0]!r} meant?" if close else ""
    spelled = ", ".join(map(repr, choices))
    raise ValueError(
        f"Unknown value of {name} {value!r}: {name!r} must be one of {spelled}.{hint}"
    )


def as_called_before(method: Callable[..., Any]) -> Callable[..., Any]:
    """Take the images by the name X, too, and speak if confounds come second.

    So nilearn had it up to 0.10; the signature does not tell.
    """

    @wraps(method)
    def named(self: Any, *arguments: Any, **words: Any) -> Any:
        if "X" in words:
            if arguments or "imgs" in words:
                raise TypeError("fit_transform() needs images once: as 'imgs' or as 'X'.")
            words["imgs"] = words.pop("X")
        second = arguments[1] if len(arguments) > 1 else words.get("y")
        if _are_confounds(second):
            warn(
                "The second argument of fit_transform() is y, which is ignored, and this one "
                "looks like confounds. Give them by name: confounds=..."
            )
        return method(self, *arguments, **words)

    return named


def _are_confounds(y: Any) -> bool:
    """Whether it is a path, or a table of several columns, which labels of volumes are not."""
    if isinstance(y, list | tuple):
        return any(_are_confounds(each) for each in y if not isinstance(each, str))
    n_columns = y.shape[1] if len(getattr(y, "shape", ())) == 2 else 1
    return isinstance(y, str | Path) or n_columns > 1


def output_dtype(asked: Any, natural: Any) -> np.dtype[Any]:
    """Type of signals or voxels that a masker gives.

    Parameters
    ----------
    asked : dtype, "auto" or None
        The parameter. "auto": 32 bits of the kind that values have.
    natural : dtype
        The type that they have if none is asked for.

    Notes
    -----
    Signals are never of integers by themselves, so "auto" is float32 for them. (nilearn takes
    int32 for images of integers, and cuts standard scores to whole numbers then.)

    Examples
    --------
    >>> output_dtype("auto", np.int64), output_dtype("auto", np.float64)
    (dtype('int32'), dtype('float32'))
    """
    dtype: np.dtype[Any] = np.dtype(natural)
    if isinstance(asked, str) and asked == "auto":
        return np.dtype(np.int32 if dtype.kind in "iu" else np.float32)
    return dtype if asked is None else np.dtype(asked)


def as_type(values: Array, dtype: np.dtype[Any]) -> Array:
    """Convert; to the nearest integer, if to integers.

    Examples
    --------
    >>> as_type(np.array([992.97]), np.dtype("int32"))
    array([993], dtype=int32)
    """
    if values.dtype == dtype:
        return values
    rounded = np.rint(values) if dtype.kind in "iu" and values.dtype.kind == "f" else values
    return rounded.astype(dtype)


def _check_kind(name: str, value: Any, rule: Rule) -> None:
    accepts, words = rule
    if not accepts(value):
        raise TypeError(f"{name!r} must be {words}, not {value!r} ({type(value).__name__}).")


def _check_dtype(asked: Any) -> None:
    dtype = output_dtype(asked, np.float32)
    if dtype.kind not in "iuf":
        raise TypeError(f"'dtype' cannot be {dtype.name}: signals are numbers.")
