"""Framewise displacement (FD): which of those that go by this name, and how it is computed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from bidsmask._typing import FloatArray
from bidsmask.numerics.motion import (
    BALL_RADIUS_MM,
    HEAD_RADIUS_MM,
    framewise_displacement,
    relative_rms,
)
from bidsmask.numerics.respiration import (
    LOW_PASS_ORDER,
    NOTCH_ORDER,
    ORDER_OF_ONE_PASS,
    alias_band_hz,
    remove_above,
    remove_band,
)
from bidsmask.vocabulary import Displacement, MotionFilter

BREATHS_PER_HZ = 60.0

_OF = {"table": "Power", "rmsd": "Jenkinson", "power": "Power", "jenkinson": "Jenkinson"}
_COLUMNS = {"table": "framewise_displacement", "rmsd": "rmsd"}
_OF_FILTERS = ("band_stop_min_bpm", "band_stop_max_bpm", "motion_filter_order")


@dataclass(frozen=True, kw_only=True)
class DisplacementParameters:
    """Which framewise displacement a run is judged by.

    Thresholds of one are not those of another: Jenkinson's is about half of Power's, and that of
    filtered parameters is smaller than that of unfiltered ones.

    Parameters
    ----------
    fd : {"table", "rmsd", "power", "jenkinson"}
        Power's or Jenkinson's (``rmsd``) as the confounds table has them, or recomputed from the
        six motion parameters.
    head_radius_mm : float or None
        Radius of the head where it is recomputed. None: 50 mm for Power's, 80 mm for Jenkinson's.
    motion_filter : {"notch", "lp"} or None
        What takes breathing out of the motion parameters before it is recomputed.
    band_stop_min_bpm, band_stop_max_bpm : float or None
        Breaths per minute: the edges of the notch; for "lp" the first is the cut-off.
    motion_filter_order : int or None
        Of all passes of the filter together. None: as published, 4 for "notch" and 2 for "lp".

    Raises
    ------
    ValueError
        If one of them has no effect, is missing, or is out of its range.

    References
    ----------
    Power et al. (2012), NeuroImage 59(3), doi:10.1016/j.neuroimage.2011.10.018;
    Jenkinson et al. (2002), NeuroImage 17(2), doi:10.1006/nimg.2002.1132;
    Fair et al. (2020), NeuroImage 208, doi:10.1016/j.neuroimage.2019.116400 (notch);
    Gratton et al. (2020), NeuroImage 217, doi:10.1016/j.neuroimage.2020.116866 (low-pass)

    Examples
    --------
    >>> DisplacementParameters().in_words
    "Power's, from the confounds table"
    >>> DisplacementParameters(
    ...     fd="power", motion_filter="notch", band_stop_min_bpm=12, band_stop_max_bpm=18
    ... ).in_words
    "Power's, recomputed, head radius 50 mm, notch at 12 to 18 breaths per minute (order 4)"
    """

    fd: Displacement = "table"
    head_radius_mm: float | None = None
    motion_filter: MotionFilter | None = None
    band_stop_min_bpm: float | None = None
    band_stop_max_bpm: float | None = None
    motion_filter_order: int | None = None

    def __post_init__(self) -> None:
        _require(self.fd in _OF, f"fd is one of {', '.join(_OF)}, not {self.fd!r}.")
        filters = get_args(MotionFilter)
        _require(
            self.motion_filter is None or self.motion_filter in filters,
            f"motion_filter is {' or '.join(filters)}, not {self.motion_filter!r}.",
        )
        for complaint in (*self._idle(), *self._impossible()):
            raise ValueError(complaint)

    def _idle(self) -> Iterator[str]:
        """Say what has no effect beside the others."""
        if self.column is not None:
            for name in ("head_radius_mm", "motion_filter", *_OF_FILTERS):
                if getattr(self, name) is not None:
                    yield (
                        f"{name} has no effect on a framewise displacement that is read from the "
                        "table; --fd power and --fd jenkinson recompute it."
                    )
        if self.motion_filter is None:
            for name in _OF_FILTERS:
                if getattr(self, name) is not None:
                    yield f"{name} is of a --motion-filter-type, notch or lp: give one, too."
        if self.motion_filter == "lp" and self.band_stop_max_bpm is not None:
            yield (
                "band_stop_max_bpm has no effect on a low-pass, which takes away all that is "
                "above band_stop_min_bpm; leave it out."
            )

    def _impossible(self) -> Iterator[str]:
        """Say what is missing or out of range."""
        for name in ("head_radius_mm", "band_stop_min_bpm", "band_stop_max_bpm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                yield f"{name} must be above 0, not {value:g}."
        low, high = self.band_stop_min_bpm, self.band_stop_max_bpm
        if self.motion_filter == "notch" and (low is None or high is None or low >= high):
            yield (
                "A notch lies between band_stop_min_bpm and band_stop_max_bpm, in breaths per "
                f"minute (adults: 12 to 18), not between {low} and {high}."
            )
        if self.motion_filter == "lp" and low is None:
            yield (
                "A low-pass begins at band_stop_min_bpm, in breaths per minute (6 as published): "
                "give it."
            )
        one = ORDER_OF_ONE_PASS.get(self.motion_filter or "", 1)
        order = self.motion_filter_order
        if order is not None and (order < one or order % one):
            yield (
                f"motion_filter_order of a {self.motion_filter} is a multiple of {one}, as it "
                f"runs forwards and backwards, not {order}."
            )

    @property
    def column(self) -> str | None:
        """The column of the confounds table it is read from; None where it is recomputed."""
        return _COLUMNS.get(self.fd)

    @property
    def author(self) -> Literal["Power", "Jenkinson"]:
        """Whose definition it is."""
        return "Power" if _OF[self.fd] == "Power" else "Jenkinson"

    @property
    def in_words(self) -> str:
        """What kind it is, wherever it or its threshold is shown."""
        return f"{self.author}'s, {self.origin}"

    @property
    def origin(self) -> str:
        """Where it comes from."""
        if self.column is not None:
            return f"from the confounds table{' (rmsd)' if self.fd == 'rmsd' else ''}"
        filtered = f", {self.filter_in_words}" if self.motion_filter else ""
        return f"recomputed, head radius {self._radius_mm:g} mm{filtered}"

    @property
    def filter_in_words(self) -> str:
        """What took breathing out of the motion parameters."""
        low = f"{self.band_stop_min_bpm:g}"
        if self.motion_filter == "notch":
            band = f"notch at {low} to {self.band_stop_max_bpm:g}"
        else:
            band = f"low-pass at {low}"
        return f"{band} breaths per minute (order {self._order})"

    def folded_in_words(self, t_r: float) -> tuple[str, ...]:
        """Say where a band of breathing was looked for, if not where it is."""
        low, high = self.band_stop_min_bpm, self.band_stop_max_bpm
        if self.motion_filter != "notch" or low is None or high is None:
            return ()
        nyquist_bpm = 0.5 * BREATHS_PER_HZ / t_r
        if high <= nyquist_bpm:
            return ()
        seen = alias_band_hz(low / BREATHS_PER_HZ, high / BREATHS_PER_HZ, t_r)
        first, last = (f"{BREATHS_PER_HZ * edge_hz:.3g}" for edge_hz in seen)
        return (
            f"{low:g} to {high:g} breaths per minute lie above {nyquist_bpm:g}, the Nyquist "
            f"frequency of a repetition time of {t_r:g} s; the notch is where they show up, at "
            f"{first} to {last} per minute.",
        )

    @property
    def _radius_mm(self) -> float:
        published = HEAD_RADIUS_MM if self.author == "Power" else BALL_RADIUS_MM
        return published if self.head_radius_mm is None else self.head_radius_mm

    @property
    def _order(self) -> int:
        published = NOTCH_ORDER if self.motion_filter == "notch" else LOW_PASS_ORDER
        return published if self.motion_filter_order is None else self.motion_filter_order

    def measure(self, motion: FloatArray, t_r: float) -> FloatArray:
        """Compute it of motion parameters.

        Parameters
        ----------
        motion : array of shape (T, 6)
            Translations x, y, z in mm, then rotations about x, y, z in radians; no NaN where they
            are filtered.
        t_r : float
            Repetition time in seconds.

        Returns
        -------
        fd : float64 array of shape (T,)
            In mm; the first is NaN.

        Raises
        ------
        ValueError
            If the filter has no meaning for this repetition time; it is said what has.
        """
        measure = framewise_displacement if self.author == "Power" else relative_rms
        return measure(self._without_breathing(motion, t_r), self._radius_mm)

    def _without_breathing(self, motion: FloatArray, t_r: float) -> FloatArray:
        nyquist_bpm = 0.5 * BREATHS_PER_HZ / t_r
        if self.motion_filter == "notch":
            assert self.band_stop_min_bpm is not None, "a notch has two edges"
            assert self.band_stop_max_bpm is not None, "a notch has two edges"
            low, high = self.band_stop_min_bpm, self.band_stop_max_bpm
            try:
                return remove_band(
                    motion,
                    t_r=t_r,
                    low_hz=low / BREATHS_PER_HZ,
                    high_hz=high / BREATHS_PER_HZ,
                    order=self._order,
                )
            except ValueError as error:
                raise ValueError(f"{error}. {_one_side(low, high, nyquist_bpm)}") from error
        if self.motion_filter == "lp":
            assert self.band_stop_min_bpm is not None, "a low-pass has a cut-off"
            try:
                return remove_above(
                    motion,
                    t_r=t_r,
                    cutoff_hz=self.band_stop_min_bpm / BREATHS_PER_HZ,
                    order=self._order,
                )
            except ValueError as error:
                raise ValueError(
                    f"{error}. Ask for --band-stop-min {min(6.0, 0.5 * nyquist_bpm):g}, or for no "
                    "filter (--motion-filter-type none)."
                ) from error
        return motion


def _one_side(low_bpm: float, high_bpm: float, nyquist_bpm: float) -> str:
    """Say which filters have a meaning where a band reaches over a fold."""
    folds = nyquist_bpm * (int(low_bpm / nyquist_bpm + 1e-9) + 1)
    below, above = folds - low_bpm, high_bpm - folds
    edge = f"--band-stop-max {folds:g}" if below >= above else f"--band-stop-min {folds:g}"
    return (
        f"Ask for the part on one side ({edge}), or for a low-pass (--motion-filter-type lp "
        f"--band-stop-min {min(6.0, 0.5 * nyquist_bpm):g}, without --band-stop-max)."
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
