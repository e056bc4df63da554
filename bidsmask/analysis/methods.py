"""The methods text of a request: what was done, in paragraphs, with what to cite for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bidsmask._version import __version__
from bidsmask.analysis.plan import Plan
from bidsmask.analysis.words import (
    connectivity_words,
    extraction_words,
    listed,
    rows_words,
    strategy_words,
    text,
    unmarked,
)
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.strategies import Strategy
from bidsmask.reports.bibliography import Work, work_from_text
from bidsmask.reports.methods import Methods, with_citations
from bidsmask.settings import Settings

_TOOLS = {
    "nipype": "Nipype",
    "pybids": "PyBIDS",
    "nibabel": "NiBabel",
    "numpy": "NumPy",
    "scipy": "SciPy",
    "pandas": "pandas",
}
"""What bidsmask builds on: key of its work, and its name."""


def methods_of(settings: Settings, plan: Plan, *, fmriprep_version: str | None) -> Methods:
    """Describe what a request does.

    Parameters
    ----------
    settings : Settings
    plan : Plan
    fmriprep_version : str or None
        Of what preprocessed the runs; None if the dataset does not say.
    """
    works = [_reference(strategy) for strategy in plan.strategies]
    marked = [
        _software(fmriprep_version),
        *_regions(settings, plan),
        *map(_strategy, plan.strategies, works),
        *_bookkeeping(settings, plan),
        text([connectivity_words(settings.connectivity, settings.extraction.statistics)]),
    ]
    return with_citations([each for each in marked if each], [work for work in works if work])


def _software(fmriprep_version: str | None) -> str:
    preprocessed = f"fMRIPrep {unmarked(fmriprep_version)}" if fmriprep_version else "fMRIPrep"
    tools = listed([f"{name} [@{key}]" for key, name in _TOOLS.items()])
    return (
        f"Functional runs that had been preprocessed with {preprocessed} [@fmriprep] and stored "
        f"as a BIDS dataset [@bids] were turned into region time series with bidsmask "
        f"{__version__}, which builds on {tools}."
    )


def _regions(settings: Settings, plan: Plan) -> Iterator[str]:
    atlases = _atlases(plan)
    if atlases:  # else no run was done
        described = listed([_atlas(atlas) for atlas in atlases])
        extraction = settings.extraction
        yield (
            f"Regions were taken from {described}. The atlas was put on the grid of each run by "
            "nearest-neighbour resampling. "
            + text(extraction_words(extraction, settings.coverage, extraction.statistics))
        )


def _atlases(plan: Plan) -> Sequence[Atlas]:
    """Give each atlas once, although runs in several spaces have it from several files."""
    return list({atlas.name: atlas for run in plan.runs for atlas in run.atlases}.values())


def _atlas(atlas: Atlas) -> str:
    n_regions = len(atlas.lut.ids)
    citation = " [@schaefer2018]" if atlas.name.startswith("Schaefer2018") else ""
    from_templateflow = atlas.source.startswith("bids:templateflow:")
    source = " from TemplateFlow [@templateflow]" if from_templateflow else ""
    regions = f"{n_regions} region{'' if n_regions == 1 else 's'}"
    return f"the atlas {unmarked(atlas.name)}{citation} with {regions}{source}"


def _strategy(strategy: Strategy, work: Work | None) -> str:
    citation = f" [@{work.key}]" if work else ""
    return (
        f"Cleaning with the strategy {unmarked(strategy.name)}{citation}: "
        f"{unmarked(strategy.description.strip())} {text(strategy_words(strategy))}"
    ).strip()


def _bookkeeping(settings: Settings, plan: Plan) -> Iterator[str]:
    if plan.strategies:
        yield (
            "The temporal degrees of freedom that remain were counted for each run as the kept "
            "volumes minus those spent on detrending, filter and confounds [@ciric2017]. "
            + text([rows_words(settings.output.censor_output)])
        )


def _reference(strategy: Strategy) -> Work | None:
    if not strategy.reference.text:
        return None
    return work_from_text(strategy.reference.text, strategy.reference.doi)
