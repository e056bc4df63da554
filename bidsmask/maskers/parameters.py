"""What a masker may be told, judged once, when it is fitted.

A constructor only remembers (scikit-learn asks for that), so this is the door. What is remembered
is never changed here.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from numbers import Integral, Real
from typing import Any

import numpy as np

from bidsmask._typing import Array

Rule = tuple[Callable[[Any], bool], str]


def is_number(value: Any) -> bool:
    """Whether it is a real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


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
    "labels": _optional((_is_list_of_text, "a list of texts")),
    "target_shape": _optional((lambda value: len(np.shape(value)) == 1, "three whole numbers")),
    "target_affine": _optional((lambda value: np.ndim(value) == 2, "a 3 × 3 or 4 × 4 matrix")),
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
    """
    for name, value in parameters.items():
        if name in _RULES:
            _check_kind(name, value, _RULES[name])
        if name in _CHOICES:
            check_choice(name, value, _CHOICES[name])
    _check_dtype(parameters.get("dtype"))


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Refuse a value that is none of the choices.

    Raises
    ------
    ValueError
        Naming the choices, and the one that is spelled most alike.

    Examples
    --------
    >>> check_choice("strategy", "maen", ("mean", "median"))
    Traceback (most recent call last):
        ...
    ValueError: 'strategy' must be one of 'mean', 'median', not 'maen'. Is 'mean' meant?
    """
    if any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        return
    words = [choice for choice in choices if isinstance(choice, str)]
    close = get_close_matches(str(value), words, 1)
    hint = f" Is {close[0]!r} meant?" if close else ""
    spelled = ", ".join(map(repr, choices))
    raise ValueError(f"{name!r} must be one of {spelled}, not {value!r}.{hint}")


def also_called_x(method: Callable[..., Any]) -> Callable[..., Any]:
    """Take the images by the name X, too, which the signature does not tell.

    nilearn called them so up to 0.10.
    """

    @wraps(method)
    def named(self: Any, *arguments: Any, **words: Any) -> Any:
        if "X" in words:
            if arguments or "imgs" in words:
                raise TypeError("fit_transform() needs images once: as 'imgs' or as 'X'.")
            words["imgs"] = words.pop("X")
        return method(self, *arguments, **words)

    return named


def output_dtype(asked: Any) -> np.dtype[Any] | None:
    """Type of the signals that is asked for; None: the one that they have.

    "auto" is float32. (nilearn takes int32 for images of integers, and cuts standard scores to
    whole numbers then.)
    """
    if asked is None:
        return None
    return np.dtype(np.float32 if isinstance(asked, str) and asked == "auto" else asked)


def as_type(values: Array, dtype: np.dtype[Any] | None) -> Array:
    """Convert; to the nearest integer, if to integers.

    Examples
    --------
    >>> as_type(np.array([992.97]), np.dtype("int32"))
    array([993], dtype=int32)
    """
    if dtype is None or values.dtype == dtype:
        return values
    rounded = np.rint(values) if dtype.kind in "iu" and values.dtype.kind == "f" else values
    return rounded.astype(dtype)


def _check_kind(name: str, value: Any, rule: Rule) -> None:
    accepts, words = rule
    if not accepts(value):
        raise TypeError(f"{name!r} must be {words}, not {value!r} ({type(value).__name__}).")


def _check_dtype(asked: Any) -> None:
    dtype = output_dtype(asked)
    if dtype is not None and dtype.kind not in "iuf":
        raise TypeError(f"'dtype' cannot be {dtype.name}: signals are numbers.")
