"""Which runs a group is made of: published rules, each a set of limits on measures of quality.

A run that is beyond one limit is excluded, and one of which a measure is not known as well: nobody
can say that it passes. Rules that were published for one framewise displacement are never held
against another: Power's is about twice as large as Jenkinson's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import isnan
from types import MappingProxyType

from bidsmask.numerics.verdict import DO_NOT_USE, RULES, Rule

NONE, VERDICT = "none", "verdict"

_PARKES = "Parkes 2018 (doi:10.1016/j.neuroimage.2017.12.073)"
_WANG = "Wang 2024 (doi:10.1371/journal.pcbi.1011942)"
_OF_MOTION = {
    "mean_fd_{}": ("mean framewise displacement of {}", "mm"),
    "max_fd_{}": ("largest framewise displacement of {}", "mm"),
    "fd_{}_above_0p2": ("share of volumes above 0.2 mm of framewise displacement of {}", ""),
}

MEASURES: Mapping[str, Rule] = MappingProxyType(
    {
        name.format(kind): Rule(
            what=what.format(kind.capitalize()),
            unit=unit,
            worse="above",
            look=None,
            do_not_use=None,
            why="",
        )
        for kind in ("jenkinson", "power")
        for name, (what, unit) in _OF_MOTION.items()
    }
    | {name: replace(rule, look=None, do_not_use=None) for name, rule in RULES.items()}
)
"""What a limit may be of, by the columns of the table of quality; no limits are set."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A rule by name.

    Parameters
    ----------
    source : str
        Where it is from.
    limits : mapping from measure to number
        On the limit itself, a run is not beyond it.
    """

    source: str
    limits: Mapping[str, float] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        NONE: Preset(source="no rule: every run that a strategy could be carried out in"),
        VERDICT: Preset(source=f"runs whose verdict is: {DO_NOT_USE}"),
        "parkes2018-lenient": Preset(source=_PARKES, limits={"mean_fd_jenkinson": 0.55}),
        "parkes2018-stringent": Preset(
            source=_PARKES,
            limits={
                "mean_fd_jenkinson": 0.25,
                "fd_jenkinson_above_0p2": 0.2,
                "max_fd_jenkinson": 5.0,
            },
        ),
        "wang2024-minimal": Preset(source=_WANG, limits={"mean_fd_power": 0.55}),
        "wang2024-stringent": Preset(
            source=_WANG, limits={"mean_fd_power": 0.25, "fd_power_above_0p2": 0.2}
        ),
    }
)
"""Rules of exclusion by name."""


def broken(measures: Mapping[str, float], limits: Mapping[str, float]) -> Iterator[str]:
    """Say which limits a run is beyond, or cannot be held against.

    Parameters
    ----------
    measures : mapping from name to number
        NaN, or not there: not known.
    limits : mapping from name to number
        Of some of `MEASURES`.

    Examples
    --------
    >>> limits = PRESETS["parkes2018-stringent"].limits
    >>> list(broken({"mean_fd_jenkinson": 0.3, "max_fd_jenkinson": 4.0}, limits))
    ['mean framewise displacement of Jenkinson: 0.3 mm, above 0.25',
     'share of volumes above 0.2 mm of framewise displacement of Jenkinson: not known']
    """
    for name, limit in limits.items():
        rule, value = MEASURES[name], measures.get(name, float("nan"))
        if isnan(value):
            yield f"{rule.what}: not known"
        elif rule.is_beyond(value, limit):
            yield f"{rule.what}: {f'{value:.3g} {rule.unit}'.strip()}, {rule.worse} {limit:g}"
