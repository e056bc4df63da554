"""Clean signals that are at hand, with the words and the numbers of ``nilearn.signal.clean``."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any, Literal, TypeVar

import numpy as np

from bidsmask._names import did_you_mean
from bidsmask._typing import Array, BoolArray, FloatArray
from bidsmask._warn import warn_user
from bidsmask.errors import AllVolumesRemovedError
from bidsmask.maskers.confounds import design_of
from bidsmask.maskers.samples import Rows, masks_of_runs, rows_of_runs
from bidsmask.numerics import filters
from bidsmask.numerics.cleaning import Cleaner
from bidsmask.numerics.cleaning_parameters import CleaningDetails, CleaningParameters
from bidsmask.numerics.filters import BUTTERWORTH_ORDER, Padding
from bidsmask.vocabulary import Filter, Standardization

Choice = TypeVar("Choice")
Standardize = Literal["zscore_sample", "zscore", "psc"] | bool | None

BELOW_NYQUIST = 1 - 10 * float(np.finfo(np.float32).eps)
"""Where a cut-off is put that lies at the Nyquist frequency or above, as a share of that."""

ABOVE_ZERO = float(np.finfo(np.float32).eps)
"""Where a cut-off is put that lies below 0, as a share of the Nyquist frequency."""

_STANDARDIZATIONS: dict[Any, Standardization] = {
    "zscore_sample": "zscore",
    "zscore": "zscore",
    True: "zscore",
    "psc": "psc",
    None: "none",
    False: "none",
}
_FILTERS: dict[Any, Filter] = {
    "butterworth": "butterworth",
    "cosine": "cosine",
    False: "none",
    None: "none",
}
_YES_OR_NO = {True: True, False: False}
FORMER_NAMES = {"sessions": "runs"}
"""What keywords of nilearn's were called once."""
_AS_NILEARN = partial(CleaningParameters, filter_ends="nilearn", bridge="nilearn")
_NOTHING = _AS_NILEARN(detrend=False, standardize="none")


def clean(
    signals: Array,
    runs: Any = None,
    detrend: bool = True,
    standardize: Standardize = "zscore_sample",
    sample_mask: Any = None,
    confounds: Any = None,
    standardize_confounds: bool = True,
    filter: Literal["butterworth", "cosine"] | Literal[False] | None = "butterworth",
    low_pass: float | None = None,
    high_pass: float | None = None,
    t_r: float | None = 2.5,
    ensure_finite: bool = False,
    extrapolate: bool = False,
    *,
    butterworth__order: int = BUTTERWORTH_ORDER,
    butterworth__padtype: Padding | None = "odd",
    butterworth__padlen: int | None = None,
    butterworth__copy: bool = True,
    **unknown: Any,
) -> FloatArray:
    """Detrend, filter, censor, regress and standardise signals.

    The order of the steps is that of `bidsmask.numerics.cleaning`, for each run by itself.

    Parameters
    ----------
    signals : array of shape (T, P)
        Not changed; see `clean_in_place`.
    runs : array of shape (T,), optional
        Which run each volume belongs to, by any kind of label.
    detrend : bool
        Remove mean and straight line.
    standardize : {"zscore_sample", "zscore", "psc", True, False, None}
        Standard scores with the standard deviation of the sample (also True) or of the
        population ("zscore"), percent signal change, or neither (None and False).
    sample_mask : array, optional
        Volumes to keep: their indices, increasing, or a bool for each volume (True = kept).
        With several runs a list with one for each, counted from the start of the run; None
        keeps the whole run.
    confounds : array, data frame, path of a table, or list of these; optional
        A row for each volume of `signals`, censored ones included.
    standardize_confounds : bool
        Z-score the confounds, so that regression leaves the mean of the signals alone.
    filter : {"butterworth", "cosine", False, None}
        Without a cut-off nothing is filtered.
    low_pass, high_pass : float, optional
        In Hz. A cosine filter knows a high-pass only.
    t_r : float, optional
        Repetition time in seconds. Needed by a filter, and worth giving: the default is a guess.
    ensure_finite : bool
        Replace NaN and infinite values of the signals by 0.
    extrapolate : bool
        Butterworth only: filter all volumes, those before the first and after the last kept one
        extrapolated. Otherwise these are trimmed.
    butterworth__order, butterworth__padtype, butterworth__padlen
        Order of the filter, and how its ends are padded: `bidsmask.numerics.filters.butterworth`.
    butterworth__copy : bool
        Without effect: there is always a copy.
    **unknown
        Any other word is an error.

    Returns
    -------
    cleaned : array of shape (T_kept, P)
        Runs one after the other, sorted by label. Floats keep their precision; integers of 64
        bits become float64, others float32. A column with a NaN or infinite value is NaN.

    Raises
    ------
    TypeError
        If a keyword is not known, or a value is of another kind than it should be.
    ConfoundsError
        If confounds do not fit the signals, or are not finite in kept volumes.
    DegreesOfFreedomError
        If no volumes are left, or no more than there are confounds.
    ValueError
        If a value, or a combination of values, makes no sense. (The two above are of this kind.)

    See Also
    --------
    clean_img : For images.
    bidsmask.high_variance_confounds, bidsmask.load_confounds : Where confounds come from.

    Notes
    -----
    Numbers are those of nilearn 0.14.1, but for what is wrong there: censored volumes leak into
    others where volumes i and T - 1 - i are both censored, or are given out shifted; with
    `runs`, some options are dropped; misspelt options are ignored; a cosine filter is left out
    where a confound resembles one of its cosines.

    Lines are fitted to kept volumes as if nothing had been left out between them, unless a
    Butterworth filter interpolates them. The command line uses the true time axis instead.

    Examples
    --------
    >>> signals = np.array([[1.0], [2.0], [99.0], [4.0], [5.0], [5.0]])
    >>> kept = [0, 1, 3, 4, 5]
    >>> clean(signals, detrend=False, sample_mask=kept, standardize="psc").round(1).ravel()
    array([-70.6, -41.2,  17.6,  47.1,  47.1])
    """
    _refuse(unknown)
    cleaning = _cleaning(
        signals,
        runs=runs,
        detrend=detrend,
        standardize=standardize,
        sample_mask=sample_mask,
        confounds=confounds,
        standardize_confounds=standardize_confounds,
        filter=filter,
        low_pass=low_pass,
        high_pass=high_pass,
        t_r=t_r,
        ensure_finite=ensure_finite,
        extrapolate=extrapolate,
        butterworth__order=butterworth__order,
        butterworth__padtype=butterworth__padtype,
        butterworth__padlen=butterworth__padlen,
        butterworth__copy=butterworth__copy,
    )
    return cleaning.into(np.empty(cleaning.shape, dtype=_float_of(cleaning.signals)))


def butterworth(
    signals: Any,
    sampling_rate: float,
    low_pass: float | None = None,
    high_pass: float | None = None,
    order: int = BUTTERWORTH_ORDER,
    padtype: Padding | None = "odd",
    padlen: int | None = None,
    copy: bool = False,
) -> FloatArray:
    """Filter signals forwards and backwards; see `bidsmask.numerics.filters.butterworth`.

    Parameters
    ----------
    signals : array of shape (T, P) or (T,)
    sampling_rate : float
        Volumes in a second, Hz.
    low_pass, high_pass : float, optional
        Cut-offs in Hz.
    order, padtype, padlen
        Order of the filter, and how the ends are padded.
    copy : bool
        False: the result is also written into `signals`, if these are an array of floats.

    Returns
    -------
    filtered : array of the shape of `signals`
        Signals themselves where they were written to, or there is nothing to filter.

    See Also
    --------
    clean

    Examples
    --------
    >>> slow, fast = (np.sin(np.arange(200) * step) for step in (0.05, 2.0))
    >>> bool(np.abs(butterworth(slow + fast, 0.5, low_pass=0.05) - slow)[20:-20].max() < 0.01)
    True
    """
    values, t_r = np.array(signals, copy=copy or None), 1 / sampling_rate
    if low_pass is None and high_pass is None:
        return values
    cutoffs = _cutoffs(high_pass, low_pass, t_r)
    if not cutoffs:
        return values
    filtered: FloatArray = filters.butterworth(
        values.reshape(len(values), -1),
        t_r=t_r,
        high_pass_hz=cutoffs["high_pass_hz"],
        low_pass_hz=cutoffs["low_pass_hz"],
        order=order,
        padding=padtype,
        n_padding=padlen,
    )
    filtered = filtered.reshape(values.shape).astype(_float_of(values), copy=False)
    if copy or values.dtype != filtered.dtype:
        return filtered
    values[...] = filtered
    return values


def clean_in_place(signals: FloatArray, **options: Any) -> FloatArray:
    """Clean signals that nobody needs any more, in the memory they stand in.

    Parameters
    ----------
    signals : float32 or float64 array of shape (T, P)
        Overwritten. In C order, so that the kept volumes can be its first rows.
    **options
        As of `clean`, which gives the same numbers and leaves the signals as they are.

    Returns
    -------
    cleaned : array of shape (T_kept, P)
        The first rows of `signals`.

    Raises
    ------
    ValueError
        If `signals` cannot be written to, are of another type or in another order.

    Examples
    --------
    >>> signals = np.array([[1.0], [2.0], [6.0]])
    >>> cleaned = clean_in_place(signals, standardize=None)
    >>> signals.round(3).ravel()
    array([ 0.5, -1. ,  0.5])
    """
    _check_own_memory(signals)
    words = inspect.signature(clean).bind(signals, **options)
    words.apply_defaults()
    _refuse(words.arguments.pop("unknown"))
    cleaning = _cleaning(**words.arguments)
    first_rows = signals[: cleaning.shape[0]]
    if cleaning.runs_lie_in_order:
        return cleaning.into(first_rows)
    first_rows[:] = cleaning.into(np.empty_like(first_rows))  # or runs would overwrite each other
    return first_rows


def _cleaning(
    signals: Array,
    *,
    runs: Any,
    detrend: bool,
    standardize: Standardize,
    sample_mask: Any,
    confounds: Any,
    standardize_confounds: bool,
    filter: Any,
    low_pass: float | None,
    high_pass: float | None,
    t_r: float | None,
    ensure_finite: bool,
    extrapolate: bool,
    butterworth__order: int,
    butterworth__padtype: Padding | None,
    butterworth__padlen: int | None,
    butterworth__copy: bool,
) -> "_Cleaning":
    """Judge the words of `clean`, and say in ours what is to be done."""
    _check_flags(
        detrend=detrend,
        standardize_confounds=standardize_confounds,
        extrapolate=extrapolate,
    )
    signals = _two_dimensional(signals)
    rows = [_as_slice(of_run) for of_run in rows_of_runs(runs, len(signals))]
    design = design_of(confounds, len(signals))
    masks = masks_of_runs(sample_mask, [len(design[of_run]) for of_run in rows])
    if design.shape[1] and not (detrend or standardize_confounds):
        warn_user(
            "Confounds that have a mean take the mean of the signals with them, or leave "
            "something of themselves: one must perform detrend and/or standardize confounds."
        )
    run = _RunCleaning(
        parameters=_AS_NILEARN(
            detrend=bool(detrend),
            standardize=_choice("standardize", standardize, _STANDARDIZATIONS),
            **_filter_parameters(filter, low_pass, high_pass, t_r),
        ),
        details=CleaningDetails(
            order=butterworth__order,
            padding=butterworth__padtype,
            n_padding=butterworth__padlen,
            extrapolate=bool(extrapolate),
            standardize_design=bool(standardize_confounds),
            true_times=False,
            ensure_finite=_choice("ensure_finite", ensure_finite, _YES_OR_NO),
            min_kept_volumes=1,
        ),
        t_r=1.0 if t_r is None else float(t_r),
        population=isinstance(standardize, str) and standardize == "zscore",
    )
    return _Cleaning(signals=signals, design=design, rows=rows, masks=masks, run=run)


@dataclass(frozen=True, kw_only=True)
class _Cleaning:
    """All that is known before the first number is touched."""

    signals: Array
    design: FloatArray
    rows: Sequence[Rows]
    masks: Sequence[BoolArray]
    run: "_RunCleaning"

    @property
    def shape(self) -> tuple[int, int]:
        """T_kept of all runs together, and P."""
        return sum(int(mask.sum()) for mask in self.masks), self.signals.shape[1]

    @property
    def runs_lie_in_order(self) -> bool:
        """Whether each run is a stretch of rows, one behind the other."""
        starts = [of_run.start or 0 for of_run in self.rows if isinstance(of_run, slice)]
        return len(starts) == len(self.rows) and starts == sorted(starts)

    def into(self, cleaned: FloatArray) -> FloatArray:
        """Write the kept volumes of all runs (T_kept, P), and give them back.

        They may be the first rows of the signals where the runs lie in order: what is written is
        then never read again.
        """
        cleaners = [
            self.run.cleaner(self.design[of_run], mask)
            for of_run, mask in zip(self.rows, self.masks, strict=True)
        ]
        start = 0
        for cleaner, of_run, mask in zip(cleaners, self.rows, self.masks, strict=True):
            kept = slice(start, start + int(mask.sum()))
            self.run(cleaner, self.signals[of_run], mask, cleaned[kept])
            start = kept.stop
        return cleaned


@dataclass(frozen=True, kw_only=True)
class _RunCleaning:
    """What is done to each run.

    Parameters
    ----------
    population : bool
        Divide by the standard deviation of the population, not of the sample.
    """

    parameters: CleaningParameters
    details: CleaningDetails
    t_r: float
    population: bool

    def cleaner(self, design: FloatArray, mask: BoolArray) -> Cleaner | None:
        """Give the cleaner of a run, or None where nothing is to be done."""
        parameters = self._parameters(int(mask.sum()))
        if parameters == _NOTHING and not design.shape[1]:
            return None
        cleaner = Cleaner(
            parameters, t_r=self.t_r, sample_mask=mask, design=design, details=self.details
        )
        if parameters.filter == "cosine" and not cleaner.ledger.n_filter:
            warn_user(
                f"The cosine filter is empty: {mask.size} volumes are less than half a period "
                "of the high-pass."
            )
        return cleaner

    def __call__(
        self, cleaner: Cleaner | None, signals: Array, mask: BoolArray, cleaned: FloatArray
    ) -> None:
        """Write the kept volumes of a run (T_kept, P), cleaned."""
        if cleaner is None:
            self._keep(signals, mask, cleaned)
            return
        n_emptied = 0
        for columns, block in cleaner.blocks(signals):
            if self.population and cleaner.parameters.standardize == "zscore":
                block *= np.sqrt(len(block) / (len(block) - 1))
            if cleaner.parameters.standardize == "psc":
                n_emptied += _count_emptied(signals[:, columns], mask, block)
            cleaned[:, columns] = block
        if n_emptied:
            warn_user(
                f"{n_emptied} columns are set to 0: they have a mean of 0, for which "
                "the psc standardization strategy has no meaning, or the confounds explain them."
            )

    def _keep(self, signals: Array, mask: BoolArray, kept: FloatArray) -> None:
        for row, volume in zip(kept, np.flatnonzero(mask), strict=True):
            row[:] = signals[volume]
            if self.details.ensure_finite:
                row[~np.isfinite(row)] = 0

    def _parameters(self, n_kept: int) -> CleaningParameters:
        """Leave out of a single volume what would leave nothing of it."""
        if n_kept == 0:
            raise AllVolumesRemovedError(
                "The size of the sample mask is 0, it leaves no volume. Keep some, or leave out "
                "this run."
            )
        parameters = self.parameters
        if n_kept == 1 and (parameters.detrend or parameters.standardize != "none"):
            warn_user("A single volume is neither detrended nor standardised: it would become 0.")
            return replace(parameters, detrend=False, standardize="none")
        return parameters


# --- what may be asked for -----------------------------------------------------------------------


def _refuse(unknown: dict[str, Any]) -> None:
    """Say which keyword is not known, and which one was probably meant."""
    if not unknown:
        return
    known = [name for name in inspect.signature(clean).parameters if name != "unknown"]
    for word in unknown:
        meant = did_you_mean(FORMER_NAMES.get(word, word), known)
        meant = meant or f" Keywords are: {', '.join(known)}."
        raise TypeError(f"clean() got an unexpected keyword argument {word!r}.{meant}")


def _check_flags(**flags: Any) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"{name} must be True or False, not {value!r}.")


def _check_number(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, Real) or isinstance(value, bool)):
        raise TypeError(f"{name} must be a number or None, not {value!r}.")


def _choice(name: str, value: Any, choices: dict[Any, Choice]) -> Choice:
    known = isinstance(value, str | bool | np.bool_) or value is None
    if not known or value not in choices:
        raise ValueError(f"'{name}' must be one of {list(choices)}, not {value!r}.")
    return choices[value]


def _filter_parameters(
    filter: Any, low_pass: float | None, high_pass: float | None, t_r: float | None
) -> dict[str, Any]:
    """Filter and cut-offs as `CleaningParameters` takes them; what has no effect is left out."""
    if filter not in _FILTERS:
        raise ValueError(
            f"Filter method {filter} not implemented: 'filter' must be one of {list(_FILTERS)}."
        )
    kind = _FILTERS[filter]
    for name, value in (("low_pass", low_pass), ("high_pass", high_pass), ("t_r", t_r)):
        _check_number(name, value)
    if kind == "none" and not (low_pass is None and high_pass is None):
        warn_user("There are cut-offs and no filter: clean() will not perform filtering.")
    if kind == "cosine":
        cutoff, step = _required_for_cosine(high_pass, low_pass, t_r)
        return {"filter": kind, "high_pass_hz": _within_reach("high", cutoff, step)}
    if kind == "none" or (low_pass is None and high_pass is None):
        return {"filter": "none"}
    if t_r is None:
        raise ValueError("Repetition time (t_r) must be specified for butterworth filtering.")
    cutoffs = _cutoffs(high_pass, low_pass, t_r)
    return {"filter": kind, **cutoffs} if cutoffs else {"filter": "none"}


def _required_for_cosine(
    high_pass: float | None, low_pass: float | None, t_r: float | None
) -> tuple[float, float]:
    if high_pass is None or t_r is None:
        raise ValueError(
            "Repetition time (t_r) and low cutoff frequency (high_pass) must be specified for "
            f"cosine filtering. Got: {t_r=} and {high_pass=}."
        )
    if low_pass is not None:
        warn_user(
            "low_pass is not implemented for filter='cosine': it is left out. Try "
            "filter='butterworth'."
        )
    return high_pass, t_r


def _cutoffs(
    high_pass: float | None, low_pass: float | None, t_r: float
) -> dict[str, float | None]:
    """Both cut-offs, below the Nyquist frequency; none if that leaves nothing between them."""
    if high_pass is not None and low_pass is not None and high_pass >= low_pass:
        raise ValueError(
            f"High pass cutoff frequency ({high_pass}) is greater than or equal to low pass "
            f"filter frequency ({low_pass}). Nothing would be left: it must be below."
        )
    cutoffs = {
        "high_pass_hz": None if high_pass is None else _within_reach("high", high_pass, t_r),
        "low_pass_hz": None if low_pass is None else _within_reach("low", low_pass, t_r),
    }
    if cutoffs["high_pass_hz"] != cutoffs["low_pass_hz"]:
        return cutoffs
    warn_user(
        "Signals are returned unfiltered because band-pass critical frequencies are equal. Please "
        "check that inputs for sampling_rate, low_pass, and high_pass are valid."
    )
    return {}


def _within_reach(side: str, cutoff: float, t_r: float) -> float:
    """Give a cut-off that a digital filter can have: what was asked for, or the nearest."""
    if t_r <= 0:  # no such time; the filter says so
        return cutoff
    nyquist = 1 / (2 * t_r)
    asked = f"The frequency specified for the {side} pass filter is too"
    if cutoff >= nyquist:
        effect = {"low": "it removes next to nothing", "high": "next to nothing is left"}
        warn_user(
            f"{asked} high. {cutoff:g} Hz is not below the Nyquist frequency, {nyquist:g} Hz for "
            f"a t_r of {t_r:g} s: it is lowered to just below, where {effect[side]}."
        )
        return nyquist * BELOW_NYQUIST
    if cutoff < 0:
        warn_user(f"{asked} low. {cutoff:g} Hz is below 0: it is raised to just above.")
        return nyquist * ABOVE_ZERO
    return cutoff


# --- signals -------------------------------------------------------------------------------------


def _two_dimensional(signals: Any) -> Array:
    array = np.asarray(signals)
    if array.ndim != 2:
        raise ValueError(f"Signals must be (T, P); their shape is {array.shape}.")
    return array


def _check_own_memory(signals: Any) -> None:
    """Refuse what cannot hold the result."""
    kinds = (np.dtype(np.float32), np.dtype(np.float64))
    if not isinstance(signals, np.ndarray) or signals.dtype not in kinds:
        raise ValueError("Only float32 and float64 arrays can be cleaned in place; try clean().")
    if not (signals.flags.c_contiguous and signals.flags.writeable):
        raise ValueError("Only writeable arrays in C order can be cleaned in place; try clean().")


def _as_slice(rows: Rows) -> Rows:
    """Give rows that follow each other as a slice, of which arrays make no copy."""
    if isinstance(rows, slice) or rows[-1] - rows[0] + 1 != rows.size:
        return rows
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _float_of(signals: Array) -> np.dtype[Any]:
    """Floating-point type of the result, in the byte order of the machine."""
    if signals.dtype.kind == "f" and signals.dtype.itemsize in (4, 8):
        return signals.dtype.newbyteorder("=")
    return np.dtype(np.float64 if signals.dtype.itemsize >= 8 else np.float32)


def _count_emptied(signals: Array, mask: BoolArray, cleaned: FloatArray) -> int:
    """Columns that varied in the kept volumes, and are all 0 now."""
    kept = signals[:, ~cleaned.any(axis=0)][mask]
    return int(np.count_nonzero((kept != kept[:1]).any(axis=0)))
