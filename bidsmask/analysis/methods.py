"""The methods text of a request: what was done, in paragraphs, with what to cite for it."""

from __future__ import annotations

from collections.abc import Iterator

from bidsmask._version import __version__
from bidsmask.analysis.event_words import event_words
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.plan import Plan
from bidsmask.analysis.words import (
    connectivity_words,
    extraction_words,
    listed,
    rows_words,
    strategy_words,
    text,
    unmarked,
    voxel_words,
)
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.strategies import Strategy
from bidsmask.reports.bibliography import Work, work_from_text
from bidsmask.reports.methods import Methods, with_citations
from bidsmask.settings import QualitySettings, Settings

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
        *_quality(settings, plan),
        *_relations(settings, plan),
        text(event_words(settings.events)),
        text(voxel_words(settings.voxelwise, settings.extraction, settings.connectivity)),
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
    """Say what columns were of: for each kind of source where it was from, and what was done."""
    placed = [(source, kind_of(source)) for run in plan.runs for source in run.sources]
    for kind, on_surfaces in dict.fromkeys(
        (of_kind.column, source.on_surfaces) for source, of_kind in placed
    ):
        alike = {
            source.name: source
            for source, of_kind in placed
            if (of_kind.column, source.on_surfaces) == (kind, on_surfaces)
        }.values()
        one = kind_of(next(iter(alike)))
        lattice = "grid of each run" if not on_surfaces else "surfaces of each run that has them"
        described = listed([_source(source) for source in alike])
        words = extraction_words(
            settings.extraction,
            settings.coverage,
            one,
            one.statistics(settings.extraction),
            "grayordinates" if on_surfaces else "voxels",
        )
        yield (
            f"{kind.capitalize()}s were taken from {described}. They were put on the "
            f"{lattice} by {one.placed_by}. {text(words)}"
        )


def _source(source: Source) -> str:
    n_columns = len(source.lut.ids)
    citation = " [@schaefer2018]" if source.name.startswith("Schaefer2018") else ""
    from_templateflow = source.sources[0].startswith("bids:templateflow:")
    whence = " from TemplateFlow [@templateflow]" if from_templateflow else ""
    columns = f"{n_columns} {kind_of(source).column}{'' if n_columns == 1 else 's'}"
    what, cut = "the seeds", ""
    if isinstance(source, Atlas):
        what = "the atlas"
        cut = (
            " (cut to the first vertices, those of the coarser fsaverage)" if source.is_cut else ""
        )
    return f"{what} {unmarked(source.name)}{citation} with {columns}{whence}{cut}"


def _strategy(strategy: Strategy, work: Work | None) -> str:
    citation = f" [@{work.key}]" if work else ""
    return (
        f"Cleaning with the strategy {unmarked(strategy.name)}{citation}: "
        f"{unmarked(strategy.description.strip())} {text(strategy_words(strategy))}"
    ).strip()


def _bookkeeping(settings: Settings, plan: Plan) -> Iterator[str]:
    if plan.strategies:
        yield (
            "The temporal degrees of freedom that remain were computed for each run from the "
            "matrix of all cleaning steps, as those of white noise behind it "
            "[@worsley1995]. " + text([rows_words(settings.output.censor_output, plan.strategies)])
        )


def _quality(settings: Settings, plan: Plan) -> Iterator[str]:
    if not plan.strategies:
        return
    limits = listed([*_limits(settings.quality)])
    yield (
        "What cleaning did to each run was measured over the same voxels and kept volumes before "
        "and after: variance removed, DVARS [@power2012] and its correlation with framewise "
        "displacement, temporal signal-to-noise ratio [@murphy2007], and correlations of regions "
        "with confounds and with the global signal."
        + (f" A run was to be looked at, or not to be used: {limits}." if limits else "")
    )


def _limits(settings: QualitySettings) -> Iterator[str]:
    for rule in settings.rules.values():
        limits = [f"{each:g}" for each in (rule.look, rule.do_not_use) if each is not None]
        if limits:
            yield f"{rule.what} {rule.worse} {' and '.join(limits)} {rule.unit}".strip()


def _relations(settings: Settings, plan: Plan) -> Iterator[str]:
    if any(run.sources for run in plan.runs):
        yield text([connectivity_words(settings.connectivity, settings.extraction.statistics)])


def _reference(strategy: Strategy) -> Work | None:
    if not strategy.reference.text:
        return None
    return work_from_text(strategy.reference.text, strategy.reference.doi)
