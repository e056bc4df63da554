"""What was done, in paragraphs for the methods section of a paper, with what to cite for it.

Only what was done is said: each sentence depends on a parameter that took effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bidsmask.reports.bibliography import (
    Work,
    bibliography,
    bibtex,
    in_order,
    work_from_text,
)

SOFTWARE = ("nipype", "pybids", "nibabel", "numpy", "scipy", "pandas")

_CITED = re.compile(r"\[@([0-9A-Za-z]+)\]")
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@])")


@dataclass(frozen=True, kw_only=True)
class AtlasMethods:
    """An atlas as a methods text needs it."""

    name: str
    n_regions: int
    from_templateflow: bool = False


@dataclass(frozen=True, kw_only=True)
class StrategyMethods:
    """A strategy as a methods text needs it: the parameters that took effect.

    Parameters
    ----------
    name, description : str
        `description` is whole sentences.
    reference : str or None
        Entry of a list of references.
    reference_doi : str or None
    detrend : bool
    filter : {"butterworth", "cosine", "none"}
    high_pass_hz, low_pass_hz : float or None
    standardize : {"zscore", "psc", "none"}
    fd_threshold_mm, std_dvars_threshold : float or None
    min_segment_volumes : int
        0 and 1 mean that stretches of any length are kept.
    dummy_scans : int or "auto"
    has_confounds : bool
        Whether any column is regressed.
    """

    name: str
    description: str
    reference: str | None = None
    reference_doi: str | None = None
    detrend: bool
    filter: Literal["butterworth", "cosine", "none"]
    high_pass_hz: float | None = None
    low_pass_hz: float | None = None
    standardize: Literal["zscore", "psc", "none"]
    fd_threshold_mm: float | None = None
    std_dvars_threshold: float | None = None
    min_segment_volumes: int = 0
    dummy_scans: int | Literal["auto"] = "auto"
    has_confounds: bool = True


@dataclass(frozen=True, kw_only=True)
class Methods:
    """Paragraphs of plain text, and the works that they cite.

    Attributes
    ----------
    paragraphs : tuple of str
        With citations such as "(Power et al., 2012)".
    works : tuple of Work
    """

    paragraphs: tuple[str, ...]
    works: tuple[Work, ...]

    @property
    def references(self) -> tuple[str, ...]:
        """A list of references, in plain text; DOIs are not links."""
        return tuple(work.entry for work in self.works)


def methods_text(
    *,
    version: str,
    fmriprep_version: str | None,
    atlases: Sequence[AtlasMethods],
    strategies: Sequence[StrategyMethods],
    measures: Sequence[str],
    statistic: str,
    smoothing_fwhm_mm: float,
    min_coverage: float,
    censor_output: Literal["na", "drop", "interpolate"],
) -> Methods:
    """Describe what was done.

    Parameters
    ----------
    version : str
        Of bidsmask.
    fmriprep_version : str or None
        Of what preprocessed the runs; None if the dataset does not say.
    atlases : sequence of AtlasMethods
    strategies : sequence of StrategyMethods
    measures : sequence of str
        Names as in `bidsmask.numerics.connectivity.MEASURES`; may be empty.
    statistic : str
        What was taken over the voxels of a region.
    smoothing_fwhm_mm : float
        0: volumes were not smoothed.
    min_coverage : float
        0 to 1.
    censor_output : {"na", "drop", "interpolate"}
        What stands in the rows of volumes that were left out.

    Returns
    -------
    methods : Methods

    Examples
    --------
    >>> text = methods_text(
    ...     version="1.0",
    ...     fmriprep_version="24.1.0",
    ...     atlases=[AtlasMethods(name="Schaefer2018_scale-400", n_regions=400)],
    ...     strategies=[],
    ...     measures=["correlation"],
    ...     statistic="mean",
    ...     smoothing_fwhm_mm=0.0,
    ...     min_coverage=0.5,
    ...     censor_output="na",
    ... )
    >>> text.paragraphs[-1]
    "Between all pairs of regions, Pearson's correlation was computed over the kept volumes."
    """
    own_works = {id(strategy): _reference(strategy) for strategy in strategies}
    marked = [
        _software(version, fmriprep_version),
        *_regions(atlases, statistic, smoothing_fwhm_mm, min_coverage),
        *(_strategy(strategy, own_works[id(strategy)]) for strategy in strategies),
        *_bookkeeping(strategies, censor_output),
        *_connectivity(measures),
    ]
    return _with_citations(marked, [work for work in own_works.values() if work is not None])


def citation_markdown(methods: Methods) -> str:
    """The text and its references as a Markdown file."""
    paragraphs = "\n\n".join(_markdown(paragraph) for paragraph in methods.paragraphs)
    entries = "\n".join(f"- {_markdown(entry)}" for entry in methods.references)
    return f"# Methods\n\n{paragraphs}\n\n# References\n\n{entries}\n"


def citation_bibtex(methods: Methods) -> str:
    """The references as a BibTeX file."""
    return bibtex(methods.works)


def _markdown(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _with_citations(marked: Sequence[str], own_works: Sequence[Work]) -> Methods:
    """Replace ``[@key]`` by citations, and gather what they cite."""
    known = {work.key: work for work in own_works}
    keys = [key for text in marked for key in _CITED.findall(text)]
    known |= {work.key: work for work in bibliography(key for key in keys if key not in known)}
    return Methods(
        paragraphs=tuple(
            _CITED.sub(lambda match: f"({known[match[1]].citation})", text) for text in marked
        ),
        works=in_order(known[key] for key in keys),
    )


def _software(version: str, fmriprep_version: str | None) -> str:
    preprocessed = f"fMRIPrep {_unmarked(fmriprep_version)}" if fmriprep_version else "fMRIPrep"
    names = {"nipype": "Nipype", "pybids": "PyBIDS", "nibabel": "NiBabel", "numpy": "NumPy",
             "scipy": "SciPy", "pandas": "pandas"}  # fmt: skip
    tools = _listed([f"{names[key]} [@{key}]" for key in SOFTWARE])
    return (
        f"Functional runs that had been preprocessed with {preprocessed} [@fmriprep] and stored "
        f"as a BIDS dataset [@bids] were turned into region time series with bidsmask "
        f"{_unmarked(version)}, "
        f"which builds on {tools}."
    )


def _regions(
    atlases: Sequence[AtlasMethods], statistic: str, fwhm_mm: float, min_coverage: float
) -> Iterator[str]:
    if not atlases:  # no run was done
        return
    described = _listed([_atlas(atlas) for atlas in atlases])
    smoothed = (
        f", volumes were smoothed by a Gaussian of {fwhm_mm:g} mm full width at half maximum"
        if fwhm_mm
        else ""
    )
    yield (
        f"Regions were taken from {described}. The atlas was put on the grid of each run by "
        f"nearest-neighbour resampling{smoothed}, and the signal of a region was the {statistic} "
        "over its voxels "
        "inside the brain mask of the run. Regions with less than "
        f"{100 * min_coverage:g} % of their voxels inside the mask, and regions without a "
        "varying signal, are missing values in that run; no region was dropped."
    )


def _atlas(atlas: AtlasMethods) -> str:
    citation = " [@schaefer2018]" if atlas.name.startswith("Schaefer2018") else ""
    source = " from TemplateFlow [@templateflow]" if atlas.from_templateflow else ""
    regions = f"{atlas.n_regions} region{'' if atlas.n_regions == 1 else 's'}"
    return f"the atlas {_unmarked(atlas.name)}{citation} with {regions}{source}"


def _strategy(strategy: StrategyMethods, work: Work | None) -> str:
    citation = f" [@{work.key}]" if work else ""
    sentences = [
        f"Cleaning with the strategy {_unmarked(strategy.name)}{citation}: "
        f"{_unmarked(strategy.description.strip())}",
        *_censoring(strategy),
        *_steps(strategy),
    ]
    return " ".join(sentences)


def _censoring(strategy: StrategyMethods) -> Iterator[str]:
    rules = list(_censoring_rules(strategy))
    if rules:
        yield f"Volumes were left out (censored) if they were {_listed(rules, last='or')}."
    if rules and strategy.min_segment_volumes > 1:
        yield (
            f"Stretches of fewer than {strategy.min_segment_volumes} contiguous volumes between "
            "them were left out as well [@power2014]."
        )


def _censoring_rules(strategy: StrategyMethods) -> Iterator[str]:
    if strategy.dummy_scans == "auto":
        yield "flagged as not in a steady state by fMRIPrep"
    elif strategy.dummy_scans == 1:
        yield "the first of the run"
    elif strategy.dummy_scans:
        yield f"among the first {strategy.dummy_scans} of the run"
    if strategy.fd_threshold_mm is not None:
        yield (f"above a framewise displacement of {strategy.fd_threshold_mm:g} mm [@power2012]")
    if strategy.std_dvars_threshold is not None:
        yield f"above a standardized DVARS of {strategy.std_dvars_threshold:g} [@power2014]"


def _steps(strategy: StrategyMethods) -> Iterator[str]:
    """One sentence for each step, in the order in which they are taken."""
    both = "signals and confounds alike" if strategy.has_confounds else "the signals"
    censors = any(_censoring_rules(strategy))
    butterworth = strategy.filter == "butterworth"
    if censors and butterworth:
        yield (
            "For filtering only, censored volumes were bridged by a cubic spline through the kept "
            "ones."
        )
    elif censors:
        yield "Censored volumes were taken out first."
    if strategy.detrend:
        yield f"The mean and the straight line were removed from {both}."
    if butterworth:
        yield _butterworth(strategy, both)
    if butterworth and censors:
        yield "The censored volumes were then taken out."
    yield from _regression(strategy)
    yield from _standardisation(strategy)


def _butterworth(strategy: StrategyMethods, both: str) -> str:
    reason = ""
    if strategy.has_confounds:
        reason = ", so that regression does not bring back what the filter has removed"
        reason += " [@lindquist2019]"
    return (
        f"A Butterworth filter of order 5, run forwards and backwards, was applied to {both}"
        f"{reason}; {_pass_band(strategy)}."
    )


def _regression(strategy: StrategyMethods) -> Iterator[str]:
    cosines = strategy.filter == "cosine" and strategy.high_pass_hz is not None
    if cosines:
        together = ", together with the confounds," if strategy.has_confounds else ""
        yield (
            f"Cosines with frequencies below {strategy.high_pass_hz:g} Hz were regressed from the "
            f"signals{together} by least squares."
        )
    elif strategy.has_confounds:
        yield "The confounds were regressed from the signals by least squares."


def _pass_band(strategy: StrategyMethods) -> str:
    high, low = strategy.high_pass_hz, strategy.low_pass_hz
    if high is not None and low is not None:
        return f"it passed frequencies from {high:g} to {low:g} Hz"
    return f"it passed frequencies {f'above {high:g}' if low is None else f'below {low:g}'} Hz"


def _standardisation(strategy: StrategyMethods) -> Iterator[str]:
    if strategy.standardize == "zscore":
        yield "The signals were standardized to mean 0 and sample standard deviation 1."
    elif strategy.standardize == "psc":
        yield "The signals were expressed as percent change from their mean."


def _bookkeeping(strategies: Sequence[StrategyMethods], censor_output: str) -> Iterator[str]:
    if strategies:
        rows = {
            "na": "In the time series, censored volumes are missing values.",
            "drop": "The time series hold the kept volumes only.",
            "interpolate": "In the time series, censored volumes hold values of a cubic spline "
            "through the kept ones; they were not used for anything else.",
        }
        yield (
            "The temporal degrees of freedom that remain were counted for each run as the kept "
            "volumes minus those spent on detrending, filter and confounds [@ciric2017]. "
            f"{rows[censor_output]}"
        )


def _connectivity(measures: Sequence[str]) -> Iterator[str]:
    words = {
        "correlation": "Pearson's correlation",
        "covariance": "the sample covariance",
        "partial-correlation": "the partial correlation given all other regions [@marrelec2006]",
        "precision": "the precision (the inverse of the sample covariance)",
    }
    if measures:
        chosen = _listed([words.get(name, _unmarked(name)) for name in measures])
        were = "was" if len(measures) == 1 else "were"
        yield f"Between all pairs of regions, {chosen} {were} computed over the kept volumes."


def _reference(strategy: StrategyMethods) -> Work | None:
    if not strategy.reference:
        return None
    return work_from_text(strategy.reference, strategy.reference_doi)


def _listed(items: Sequence[str], last: str = "and") -> str:
    """Join as in a sentence: "a, b and c"."""
    return f" {last} ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def _unmarked(text: str) -> str:
    """A user's text cannot be taken for a citation of ours."""
    return text.replace("[@", "[ @")
