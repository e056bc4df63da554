"""Strategies made of parts, in nilearn's words: motion, high_pass, wm_csf, compcor, ...

Each part is one or more groups of columns of `bidsmask.dataset.strategies`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bidsmask._names import did_you_mean
from bidsmask.dataset.strategies import ColumnGroup, Reference, Strategy
from bidsmask.dataset.strategy_files import load_strategy
from bidsmask.errors import StrategyError
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.cleaning_parameters import CleaningParameters

_SIGNALS = {
    "motion": (r"(trans|rot)_[xyz]", 6),
    "wm_csf": (r"(csf|white_matter)", 2),
    "global_signal": (r"global_signal", 1),
}
"""Columns of each kind before they are expanded, and how many there must be."""

_MODELS = {
    "basic": ("", 1),
    "power2": ("(_power2)?", 2),
    "derivatives": ("(_derivative1)?", 2),
    "full": ("(_derivative1)?(_power2)?", 4),
}
"""What an expansion adds to the names of columns, and how many of them it makes of one."""

_AROMA = ("full", "basic")

_COMPCOR_MASKS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "anat_combined": ((r"a_comp_cor_\d+", "combined"),),
    "anat_separated": ((r"[aw]_comp_cor_\d+", "WM"), (r"[ac]_comp_cor_\d+", "CSF")),
    "temporal": ((r"t_comp_cor_\d+", None),),
}
_COMPCOR_MASKS["temporal_anat_combined"] = (
    *_COMPCOR_MASKS["temporal"],
    *_COMPCOR_MASKS["anat_combined"],
)
_COMPCOR_MASKS["temporal_anat_separated"] = (
    *_COMPCOR_MASKS["temporal"],
    *_COMPCOR_MASKS["anat_separated"],
)

_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "motion": ("motion",),
    "high_pass": (),
    "wm_csf": ("wm_csf",),
    "global_signal": ("global_signal",),
    "compcor": ("compcor", "n_compcor"),
    "ica_aroma": ("ica_aroma",),
    "tedana": ("tedana",),
    "scrub": ("scrub", "fd_threshold", "std_dvars_threshold"),
    "non_steady_state": (),
}
"""The parts, and which arguments say more about each."""

NAMES = tuple(_ARGUMENTS)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Parts of a strategy, and what is said about them; see `bidsmask.load_confounds`.

    Parameters
    ----------
    names : tuple of str
        Some of `NAMES`.

    Raises
    ------
    StrategyError
        If there is no such part, or CompCor comes without the high-pass that goes before it.
        What is said about parts that are not there is never looked at.
    """

    names: tuple[str, ...]
    motion: Any = "full"
    scrub: Any = 5
    fd_threshold: Any = 0.5
    std_dvars_threshold: Any = 1.5
    wm_csf: Any = "basic"
    global_signal: Any = "basic"
    compcor: Any = "anat_combined"
    n_compcor: Any = "all"
    ica_aroma: Any = "full"
    tedana: Any = "aggressive"

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in NAMES:
                raise StrategyError(
                    f"{name!r} is not a part of a strategy.{did_you_mean(str(name), NAMES)} "
                    f"Parts are: {', '.join(NAMES)}."
                )
        if "compcor" in self.names and "high_pass" not in self.names:
            raise StrategyError(
                "fMRIPrep computes CompCor components behind its high-pass: together with "
                f"'compcor' the strategy must hold 'high_pass'. It is {self.names}."
            )

    def changed(self) -> list[str]:
        """Names of the arguments that are not as they are by default."""
        default = Parts(names=self.names)
        arguments = [field.name for field in fields(self)]
        return [name for name in arguments if getattr(self, name) != getattr(default, name)]

    def arguments(self) -> list[str]:
        """Names of the arguments that say something about the parts that are there."""
        return [argument for name in self.names for argument in _ARGUMENTS[name]]

    def idle(self, arguments: Iterable[str]) -> list[str]:
        """Those of the arguments that say something about parts that are not there."""
        used = self.arguments()
        return [argument for argument in arguments if argument not in used]

    def one_of(self, argument: str, known: Sequence[str]) -> str:
        """Give the value of an argument.

        Raises
        ------
        StrategyError
            If it is not one of `known`.
        """
        value = getattr(self, argument)
        if not isinstance(value, str) or value not in known:
            raise StrategyError(f"{argument!r} must be one of {', '.join(known)}, not {value!r}.")
        return value

    @property
    def wants_denoised_run(self) -> bool:
        """Whether the run itself has to be one that ICA-AROMA denoised."""
        return "ica_aroma" in self.names and self.one_of("ica_aroma", _AROMA) == "full"

    def strategy(self) -> Strategy:
        """Build the strategy that the parts make.

        Raises
        ------
        StrategyError
            If what is said about a part makes no sense.
        """
        title = ", ".join(self.names) or "(no parts)"
        return Strategy(
            name=title,
            description=f"Of fMRIPrep's confounds, {title} were regressed.",
            reference=Reference(text="Parts chosen by the user"),
            groups=tuple(group for name in self.names for group in self.groups(name)),
            censoring=self._censoring(),
            cleaning=CleaningParameters(),
        )

    def _censoring(self) -> CensoringParameters:
        if "scrub" not in self.names:
            return CensoringParameters()
        try:
            return CensoringParameters(
                fd_threshold_mm=self.fd_threshold,
                std_dvars_threshold=self.std_dvars_threshold,
                min_segment_volumes=self.scrub,
            )
        except ValueError as error:
            raise StrategyError(f"Volumes cannot be left out so: {error}") from error

    def groups(self, name: str) -> list[ColumnGroup]:
        """Columns of a part."""
        if name in _SIGNALS:
            pattern, count = _SIGNALS[name]
            expansion, times = _MODELS[self.one_of(name, [*_MODELS])]
            return [ColumnGroup(label=name, pattern=pattern + expansion, count=count * times)]
        if name == "high_pass":
            return [ColumnGroup(label=name, pattern=r"cosine\d+", optional=True)]
        if name == "compcor":
            return [
                ColumnGroup(label=name, pattern=pattern, mask=mask, limit=self._limit())
                for pattern, mask in _COMPCOR_MASKS[self.one_of("compcor", [*_COMPCOR_MASKS])]
            ]
        if name == "ica_aroma" and not self.wants_denoised_run:
            return [ColumnGroup(label=name, pattern=r".*aroma.*")]
        return []

    def _limit(self) -> int | None:
        limit = self.n_compcor
        if isinstance(limit, str) and limit == "all":
            return None
        if isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 1:
            raise StrategyError(f'n_compcor must be "all" or a number above 0, not {limit!r}.')
        return int(limit)


PRESETS = ("simple", "scrubbing", "compcor", "ica_aroma")
"""nilearn's strategies. The command line has them too; what each of them is, its file says."""

_WORDS = {"motion": _MODELS, "wm_csf": _MODELS, "compcor": ("anat_combined",)}
"""What may be said about the parts of a preset."""


def _in_words(group: ColumnGroup) -> tuple[str, dict[str, str]]:
    """Tell which part a group of columns is, and what is said about the part."""
    for part, words in _WORDS.items():
        for word in words:
            (made,) = Parts(names=("high_pass", part), **{part: word}).groups(part)
            if (made.pattern, made.mask) == (group.pattern, group.mask):
                return part, {part: word}
    return "high_pass", {}


def preset(name: str) -> Parts:
    """Say in parts what one of `PRESETS` is.

    Examples
    --------
    >>> preset("ica_aroma").names
    ('high_pass', 'wm_csf', 'ica_aroma')
    """
    strategy = load_strategy(name)
    names: list[str] = []
    said: dict[str, Any] = {}
    for group in strategy.groups:
        part, words = _in_words(group)
        names.append(part)
        said |= words
    if strategy.bold_desc:
        names.append("ica_aroma")
    if limit_mm := strategy.censoring.fd_threshold_mm:
        names.append("scrub")
        said |= {
            "scrub": strategy.censoring.min_segment_volumes,
            "fd_threshold": limit_mm,
            "std_dvars_threshold": strategy.censoring.std_dvars_threshold,
        }
    return Parts(names=tuple(names), **said)
