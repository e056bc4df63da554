"""The verdict on a run under a strategy: good, to be looked at, or not to be used.

It follows from limits on measures of quality alone; the worst of them decides. A limit is where
others have drawn a line, or where it is plain why there is one; either stands beside it. Whoever
knows better for a study gives limits of their own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isnan
from types import MappingProxyType
from typing import Final, Literal

Word = Literal["good", "look", "do not use", "n/a"]
GOOD: Final = "good"
LOOK: Final = "look"
DO_NOT_USE: Final = "do not use"
NOT_JUDGED: Final = "n/a"
WORDS: tuple[Word, ...] = (NOT_JUDGED, GOOD, LOOK, DO_NOT_USE)
"""The worst last."""

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        GOOD: "all measures are within their limits",
        LOOK: "a measure is beyond its first limit, or not known: look before use",
        DO_NOT_USE: "a measure is beyond its second limit",
    }
)

Limits = tuple[str, float | None, float | None]
"""Name of a measure, from where on it is to be looked at, and from where on not to be used."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Limits of one measure, a column of the table of quality.

    Parameters
    ----------
    what : str
        The measure in words.
    unit : str
    worse : {"above", "below"}
        On which side of a limit it is worse. On the limit itself it is not.
    look, do_not_use : float or None
        The limits; None: it never is.
    why : str
        Where they are from.
    """

    what: str
    unit: str = ""
    worse: Literal["above", "below"]
    look: float | None
    do_not_use: float | None
    why: str

    def is_beyond(self, value: float, limit: float | None) -> bool:
        """Whether a value is worse than a limit."""
        if limit is None:
            return False
        return value > limit if self.worse == "above" else value < limit


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "mean_fd": Rule(
            what="mean framewise displacement",
            unit="mm",
            worse="above",
            look=0.25,
            do_not_use=0.55,
            why="the stringent and the lenient limit of Parkes 2018 "
            "(doi:10.1016/j.neuroimage.2017.12.073), for the FD of Jenkinson; Wang 2024 "
            "(doi:10.1371/journal.pcbi.1011942) takes the same for the FD of fMRIPrep's tables, "
            "that of Power, which is about twice as large and so judged more strictly",
        ),
        "max_fd": Rule(
            what="largest framewise displacement",
            unit="mm",
            worse="above",
            look=5.0,
            do_not_use=None,
            why="a stringent limit of Parkes 2018 (doi:10.1016/j.neuroimage.2017.12.073)",
        ),
        "censored_share": Rule(
            what="share of volumes left out",
            worse="above",
            look=0.2,
            do_not_use=0.5,
            why="a fifth: Parkes 2018 (doi:10.1016/j.neuroimage.2017.12.073) and Wang 2024 "
            "(doi:10.1371/journal.pcbi.1011942); half: most of the run is not there",
        ),
        "minutes_kept": Rule(
            what="time kept",
            unit="min",
            worse="below",
            look=5.0,
            do_not_use=2.0,
            why="5 minutes are the usual floor, Power 2014 "
            "(doi:10.1016/j.neuroimage.2013.08.048), and reliability grows far beyond, Laumann "
            "2015 (doi:10.1016/j.neuron.2015.06.037); 2 minutes are hardly more than one cycle "
            "of 0.01 Hz",
        ),
        "dof_remaining": Rule(
            what="degrees of freedom left",
            worse="below",
            look=30.0,
            do_not_use=10.0,
            why="the standard error of a correlation is one by their square root, Worsley & "
            "Friston 1995 (doi:10.1006/nimg.1995.1023): 0.18 at 30, 0.32 at 10, where "
            "correlations of noise reach 0.6",
        ),
        "dof_share": Rule(
            what="share of degrees of freedom left",
            worse="below",
            look=0.1,
            do_not_use=None,
            why="nine tenths of what was measured are gone: Ciric 2017 "
            "(doi:10.1016/j.neuroimage.2017.03.020) holds that loss against a strategy; with "
            "short repetition times a band-pass alone may take as much",
        ),
        "regions_usable": Rule(
            what="share of regions with a signal",
            worse="below",
            look=0.9,
            do_not_use=0.6,
            why="a field of view that ends early costs a few regions; of an atlas that has lost "
            "nearly half of them, atlas and run do not lie on each other",
        ),
    }
)
"""By the name of the measure, in the order in which they are judged."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is to be thought of a run under a strategy, and which measures decided it.

    Parameters
    ----------
    word : {"good", "look", "do not use", "n/a"}
        n/a: nothing was there to be judged.
    reasons : tuple of str
        The measures that decided it: value, side, and limit.
    """

    word: Word = NOT_JUDGED
    reasons: tuple[str, ...] = ()


def rules_with(limits: Iterable[Limits]) -> dict[str, Rule]:
    """Replace the limits of some rules.

    Examples
    --------
    >>> rules_with([("minutes_kept", 10, None)])["minutes_kept"].look
    10
    """
    replaced = {
        name: replace(RULES[name], look=look, do_not_use=do_not_use)
        for name, look, do_not_use in limits
    }
    return {**RULES, **replaced}


def judge(measures: Mapping[str, float], rules: Mapping[str, Rule] = RULES) -> Verdict:
    """Hold measures of quality against limits.

    Parameters
    ----------
    measures : mapping from name to number
        A measure that is NaN is to be looked at, as nobody knows it; one that is not there is
        not judged.
    rules : mapping from name to Rule

    Examples
    --------
    >>> verdict = judge({"mean_fd": 0.3, "minutes_kept": 1.5})
    >>> verdict.word
    'do not use'
    >>> verdict.reasons
    ('time kept: 1.5 min, below 2',)
    """
    found: dict[Word, list[str]] = {DO_NOT_USE: [], LOOK: []}
    for name, rule in rules.items():
        if name not in measures or rule.look is rule.do_not_use is None:
            continue
        value = measures[name]
        said = f"{rule.what}: {f'{value:.3g} {rule.unit}'.strip()}, {rule.worse}"
        if isnan(value):
            found[LOOK].append(f"{rule.what}: not known")
        elif rule.is_beyond(value, rule.do_not_use):
            found[DO_NOT_USE].append(f"{said} {rule.do_not_use:g}")
        elif rule.is_beyond(value, rule.look):
            found[LOOK].append(f"{said} {rule.look:g}")
    word = worst([GOOD, *(word for word, reasons in found.items() if reasons)])
    return Verdict(word=word, reasons=tuple(found.get(word, ())))


def worst(words: Iterable[Word]) -> Word:
    """Give the worst of some verdicts.

    Examples
    --------
    >>> worst(["good", "look"]), worst([])
    ('look', 'n/a')
    """
    return max(words, key=WORDS.index, default=NOT_JUDGED)
