"""What was done, in words: once for sidecars, reports and the methods text.

Each thing that was done is a `Said`: a label and a value for a table of settings, and sentences
for a text. Only what was done has sentences. They cite works as ``[@key]`` (see
`bidsmask.reports.bibliography`); `plain` takes that out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bidsmask.analysis.kinds import SourceKind
from bidsmask.columns.coverage import ONE
from bidsmask.dataset.strategies import ColumnGroup, Strategy
from bidsmask.numerics.alff import ALFF_BAND_HZ
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.connectivity.measures import MEASURES
from bidsmask.numerics.hemodynamics import TaskParameters
from bidsmask.numerics.reho import LEAST_NEIGHBOURS, NEIGHBOURHOOD
from bidsmask.settings import (
    ConnectivitySettings,
    CoverageSettings,
    ExtractionSettings,
    VoxelwiseSettings,
)
from bidsmask.vocabulary import CORRELATIONS, STATISTICS, CensorOutput, VoxelScaling

_CITATION = re.compile(r" ?\[@[0-9A-Za-z]+\]")


@dataclass(frozen=True, kw_only=True)
class Said:
    """One thing that was done.

    Parameters
    ----------
    label, value : str
        For a table; ``value`` is "none" where it was not done.
    sentences : tuple of str
        For a text; none where it was not done.
    """

    label: str
    value: str
    sentences: tuple[str, ...] = ()


def text(said: Iterable[Said]) -> str:
    """All sentences, one after the other."""
    return " ".join(sentence for each in said for sentence in each.sentences)


def plain(marked: str) -> str:
    """Take citations out.

    Examples
    --------
    >>> plain("Volumes above 0.5 mm [@power2012] were left out.")
    'Volumes above 0.5 mm were left out.'
    """
    return _CITATION.sub("", marked)


def unmarked(words: str) -> str:
    """Keep a user's text from being taken for a citation of ours."""
    return words.replace("[@", "[ @")


def listed(items: Sequence[str], last: str = "and") -> str:
    """Join as in a sentence.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return f" {last} ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


_BY_AREA = ", each vertex of a mean weighted by its area"


def extraction_words(
    settings: ExtractionSettings,
    coverage: CoverageSettings,
    kind: SourceKind,
    statistics: Sequence[str],
    places: str = "voxels",
) -> tuple[Said, ...]:
    """How signals came out of volumes.

    Parameters
    ----------
    settings : ExtractionSettings
    coverage : CoverageSettings
    kind : SourceKind
        Of what the signals are.
    statistics : sequence of str
        Labels of those that are spoken of.
    places : str
        What the values of the run belong to: "voxels", "vertices" or "grayordinates".
    """
    fwhm_mm, percent = settings.smoothing_fwhm_mm, f"{100 * coverage.min_coverage:g} %"
    column, signal = kind.column, _of_places(kind.signal(statistics), places)
    if settings.area_weights and places != "voxels" and "mean" in statistics:
        signal += _BY_AREA
    inside = "lay inside the brain mask of the run and was " if places == "voxels" else "was "
    return (
        Said(
            label="Smoothing",
            value=f"Gaussian of {fwhm_mm:g} mm FWHM" if fwhm_mm else "none",
            sentences=_smoothed(fwhm_mm, places),
        ),
        _scaling(settings.voxel_scaling),
        Said(
            label=f"Signal of a {column}",
            value=signal,
            sentences=(f"The signal of a {column} was {signal}.",),
        ),
        Said(
            label="Coverage asked for",
            value=percent,
            sentences=(
                f"A {ONE[places]} was covered if it {inside}finite and not constant over all "
                f"volumes of the run. Of a {column} of which less than "
                f"{percent} was covered, or whose signal did not change, all values are missing "
                f"(n/a) in that run; no {column} was dropped.",
            ),
        ),
    )


def _of_places(sentence: str, places: str) -> str:
    """Speak of vertices where a sentence speaks of voxels.

    Examples
    --------
    >>> _of_places("the mean over its covered voxels", "vertices")
    'the mean over its covered vertices'
    """
    return sentence.replace("voxels", places).replace("voxel", ONE[places])


def _scaling(scaling: VoxelScaling) -> Said:
    value, *sentences = {
        "none": ("none",),
        "zscore": (
            "z-score (sample SD)",
            "Before they were averaged, voxels were standardized to mean 0 and sample standard "
            "deviation 1 over all volumes of the run, censored ones included.",
        ),
        "psc": (
            "percent signal change",
            "Before they were averaged, voxels were expressed as percent change from their mean "
            "over all volumes of the run, censored ones included; voxels whose mean was not above "
            "0 count as not covered.",
        ),
    }[scaling]
    return Said(label="Scaling of voxels", value=value, sentences=tuple(sentences))


def _smoothed(fwhm_mm: float, places: str = "voxels") -> tuple[str, ...]:
    if not fwhm_mm:
        return ()
    gaussian = f"by a Gaussian of {fwhm_mm:g} mm full width at half maximum"
    if places == "voxels":
        return (f"Volumes were smoothed {gaussian}.",)
    return (
        f"Vertices were smoothed along the surface {gaussian}, weighted by their areas "
        "[@glasser2013]"
        + (", and voxels inside of their structure" if places == "grayordinates" else "")
        + "; what was not covered took no part.",
    )


def strategy_words(strategy: Strategy) -> tuple[Said, ...]:
    """What a strategy did to the signals of a run, in the order in which it was done."""
    cleaning, censoring = strategy.cleaning, strategy.censoring
    both = "signals and confounds alike" if strategy.regresses else "the signals"
    return (
        *_censoring(strategy),
        *_responses(strategy.task),
        Said(
            label="Detrending",
            value="mean and straight line" if cleaning.detrend else "none",
            sentences=(f"The mean and the straight line were removed from {both}.",)
            if cleaning.detrend
            else (),
        ),
        _filter(strategy, both, censors=any(_censoring_rules(censoring))),
        Said(
            label="Regression",
            value="confounds, by least squares" if strategy.regresses else "none",
            sentences=(*_regression(strategy), *_spared(strategy.groups)),
        ),
        _standardization(cleaning),
    )


def rows_words(how: CensorOutput, strategies: Iterable[Strategy]) -> Said:
    """What stands in the rows of volumes that were left out by some strategies."""
    values = {"na": "n/a", "drop": "left out", "interpolate": "interpolated"}
    sentences = {
        "na": "In the time series, rows of censored volumes are missing values (n/a).",
        "drop": "The time series have rows for the kept volumes only.",
        "interpolate": f"In the time series, rows of censored volumes hold values of "
        f"{_bridges(strategies)} (n/a before the first and after the last of them); they were not "
        "used for anything else.",
    }
    return Said(label="Rows of censored volumes", value=values[how], sentences=(sentences[how],))


def voxelwise_words(settings: ExtractionSettings, places: str = "voxels") -> Said:
    """How cleaned volumes came out of volumes."""
    fwhm_mm, every = settings.smoothing_fwhm_mm, _every(places)
    beyond = "; outside of the mask all values are 0" if places == "voxels" else ""
    return Said(
        label="Cleaned volumes",
        value=every,
        sentences=(
            *_smoothed(fwhm_mm),
            f"The signal of {every} was cleaned. {places.capitalize()} that were not finite in "
            f"all volumes, or constant, are NaN{beyond}.",
        ),
    )


def _every(places: str) -> str:
    """Name all places of a run, one by one."""
    return "every voxel of the brain mask" if places == "voxels" else f"every {ONE[places]}"


def volumes_words(how: CensorOutput, strategy: Strategy) -> Said:
    """What stands in place of volumes that a strategy left out."""
    sentences = {
        "na": "Of censored volumes, all values inside of the mask are NaN.",
        "drop": "Only the kept volumes are there.",
        "interpolate": f"Censored volumes hold values of {_bridges([strategy])} (NaN before the "
        "first and after the last of them).",
    }
    return Said(label="Censored volumes", value=how, sentences=(sentences[how],))


def smoothed_words(settings: VoxelwiseSettings) -> Said:
    """How the smoothed copy of cleaned volumes came about."""
    fwhm_mm = settings.voxelwise_smoothing_fwhm_mm
    return Said(
        label="Smoothed copy of the cleaned volumes",
        value=f"Gaussian of {fwhm_mm:g} mm FWHM" if fwhm_mm else "none",
        sentences=(
            f"A copy of the cleaned volumes was smoothed by a Gaussian of {fwhm_mm:g} mm full "
            "width at half maximum, of which only the part inside of the brain mask counted.",
        )
        if fwhm_mm
        else (),
    )


def seed_maps_words(connectivity: ConnectivitySettings, statistics: Sequence[str]) -> Said:
    """What maps of seeds hold; of the first of some statistics of the seeds."""
    what = "Fisher's z of Pearson's correlation" if connectivity.fisher_z else _CORRELATION
    first = STATISTICS[statistics[0]].replace("_", " ")
    return Said(
        label="Maps of seeds",
        value=what,
        sentences=(
            f"{what} of the signal of each seed (the {first}) with that of every voxel, cleaned "
            "in the same way, was computed over the kept volumes.",
        ),
    )


def voxel_words(
    voxelwise: VoxelwiseSettings,
    extraction: ExtractionSettings,
    connectivity: ConnectivitySettings,
    places: str = "voxels",
) -> Iterator[Said]:
    """All that was done with every voxel."""
    if voxelwise.voxelwise:
        yield voxelwise_words(extraction, places)
        yield smoothed_words(voxelwise)
    if voxelwise.seed_maps:
        yield seed_maps_words(connectivity, extraction.statistics)
    if voxelwise.regional:
        yield regional_words(voxelwise, places)


def regional_words(voxelwise: VoxelwiseSettings, places: str = "voxels") -> Said:
    """Which measures of every voxel were taken, and of what."""
    alff = (
        "the amplitude of low-frequency fluctuations (ALFF [@zang2007], the mean amplitude of "
        f"{_ALFF_BAND}) and its share of that of all frequencies (fALFF [@zou2008]), by the "
        "discrete Fourier transform, or the Lomb-Scargle periodogram where volumes were left out"
    )
    reho = (
        "regional homogeneity (ReHo [@zang2004]), Kendall's W of the up to "
        f"{NEIGHBOURHOOD} voxels around each (at least {LEAST_NEIGHBOURS}), with ties corrected"
        if places == "voxels"
        else "regional homogeneity (ReHo [@zang2004], on surfaces [@zuo2013]), Kendall's W of "
        f"each vertex and those beside it on the mesh, and of the up to {NEIGHBOURHOOD} voxels of "
        "its structure around each voxel (more than half of either), with ties corrected"
    )
    names = {"alff": "ALFF", "falff": "fALFF", "reho": "ReHo"}
    what = [*([alff] if voxelwise.alff else []), *([reho] if voxelwise.reho else [])]
    return Said(
        label="Measures of every voxel",
        value=", ".join(names[measure] for measure in voxelwise.regional),
        sentences=(
            f"Of {_every(places)} were computed {listed(what)}. They are of the "
            "residuals of a strategy's regression, from which mean and straight line were "
            "removed, over the kept volumes; whatever filter the strategy has was left away, and "
            f"nothing was standardized. Regions have the mean over those of their {places} that "
            "have a value.",
        ),
    )


_ALFF_BAND = f"{ALFF_BAND_HZ[0]:g} to {ALFF_BAND_HZ[1]:g} Hz"


_CORRELATION = "Pearson's correlation"


def measure_words(name: str, settings: ConnectivitySettings) -> str:
    """Say what a matrix holds, to be used within a sentence."""
    description = MEASURES[name].description
    named = description.split()[0].endswith("'s")  # Pearson's
    words = description if named else f"the {description[0].lower()}{description[1:]}"
    words += _WORKS_OF_MEASURES.get(name, "")
    if "graphical-lasso" in name:
        alpha = settings.graphical_lasso_alpha
        words += f", penalty {f'{alpha:g}' if alpha is not None else 'by cross-validation'}"
    return f"Fisher's z of {words}" if is_fisher_z(name, settings) else words


def is_fisher_z(name: str, settings: ConnectivitySettings) -> bool:
    """Whether the matrices of a measure are written as Fisher's z."""
    return settings.fisher_z and name in CORRELATIONS


def connectivity_words(settings: ConnectivitySettings, statistics: Sequence[str]) -> Said:
    """Which relations were computed, of the first of some statistics."""
    measures = [measure_words(name, settings) for name in settings.measures]
    first = STATISTICS[statistics[0]].replace("_", " ")
    of_which = f", of the {first}" if len(statistics) > 1 else ""
    were = "was" if len(measures) == 1 else "were"
    sentence = (
        f"Between all pairs of signals of a source, {listed(measures)} {were} computed over "
        f"{_volumes(settings)}{of_which}."
    )
    return Said(
        label="Connectivity",
        value=", ".join(map(plain, measures)) or "none",
        sentences=(sentence, *_beside_matrices(settings)) if measures else (),
    )


def _beside_matrices(settings: ConnectivitySettings) -> Iterator[str]:
    if settings.network_means:
        yield (
            "Fisher's z of correlations was averaged over the pairs of regions within each "
            "network, and between each two."
        )
    if settings.edge_timeseries:
        beside = ", and each of them," if settings.edge_timeseries == "all" else ""
        yield (
            "Of edge time series (products of the standard scores of two signals, volume by "
            f"volume) [@faskowitz2020], the root sum of squares over all pairs{beside} was "
            "computed."
        )


def _volumes(settings: ConnectivitySettings) -> str:
    """Over which volumes matrices were computed."""
    lengths = listed([f"{minutes:g}" for minutes in settings.minutes])
    drawn = (
        f"as many of them as last {lengths} minutes, drawn by chance after cleaning (seed "
        f"{settings.random_seed}; no matrix where fewer were kept)"
    )
    if not settings.minutes:
        return "the kept volumes"
    every = "the kept volumes, and over " if settings.of_all_volumes else "kept volumes: "
    return f"{every}{drawn}"


_WORKS_OF_MEASURES = {
    "partial-correlation": " [@marrelec2006]",
    "ledoit-wolf-correlation": " [@ledoit2004]",
    "ledoit-wolf-partial-correlation": " [@ledoit2004]",
    "ledoit-wolf-precision": " [@ledoit2004]",
    "graphical-lasso-partial-correlation": " [@friedman2008]",
    "graphical-lasso-precision": " [@friedman2008]",
    "xdf-variance": " [@afyouni2019]",
    "xdf-z": " [@afyouni2019]",
    "xdf-p": " [@afyouni2019]",
}


def _censoring(strategy: Strategy) -> Iterator[Said]:
    censoring = strategy.censoring
    rules = list(_censoring_rules(censoring))
    fd, dvars = censoring.fd_threshold_mm, censoring.std_dvars_threshold
    percent, times = censoring.dvars_percent_threshold, censoring.leverage_threshold
    limits = [
        *([f"FD {fd:g} mm"] if fd is not None else []),
        *([f"standardised DVARS {dvars:g}"] if dvars is not None else []),
        *([f"{percent:g} % of all variance (DVARS)"] if percent is not None else []),
        *([f"{times:g} times the median leverage"] if times is not None else []),
    ]
    yield Said(label="Framewise displacement (FD)", value=censoring.in_words)
    yield Said(
        label="Volumes left out at the start",
        value="those flagged by fMRIPrep"
        if censoring.dummy_scans == "auto"
        else str(censoring.dummy_scans),
    )
    yield Said(
        label="Censored above",
        value=", ".join(limits) or "no threshold",
        sentences=(f"Volumes were left out (censored) if they were {listed(rules, last='or')}.",)
        if rules
        else (),
    )
    yield _neighbours(censoring)
    shortest = censoring.min_segment_volumes
    yield Said(
        label="Shortest stretch kept",
        value=f"{shortest} volumes" if shortest > 1 else "any",
        sentences=(
            f"Stretches of fewer than {shortest} contiguous volumes between them were left out "
            "as well [@power2014].",
        )
        if rules and shortest > 1
        else (),
    )
    yield _censored(strategy) if rules else Said(label="Censored volumes", value="none")


def _neighbours(censoring: CensoringParameters) -> Said:
    sides = {"before": censoring.volumes_before, "after": censoring.volumes_after}
    beside = [f"{count} {side}" for side, count in sides.items() if count]
    were = "was" if sum(sides.values()) == 1 else "were"
    return Said(
        label="Volumes left out beside those",
        value=", ".join(beside) or "none",
        sentences=(
            f"Of the volumes next to one above a threshold, {listed(beside)} {were} left out as "
            "well.",
        )
        if beside
        else (),
    )


def _censored(strategy: Strategy) -> Said:
    value, sentence = "taken out first", "Censored volumes were taken out first."
    if strategy.cleaning.filter == "butterworth":
        value = f"bridged while filtering ({strategy.cleaning.bridge})"
        sentence = f"For filtering only, censored volumes were bridged by {_bridges([strategy])}."
    return Said(label="Censored volumes", value=value, sentences=(sentence,))


def _responses(task: TaskParameters) -> Iterator[Said]:
    if task.task_regressors == "none":
        return
    value, sentence = {
        "canonical": (
            "canonical response",
            "The response to each condition of the task (its events convolved with the canonical "
            "haemodynamic response [@friston1998]) was regressed as confounds are.",
        ),
        "fir": (
            f"any shape, until {task.follows_s:g} s after an event",
            "The response to each condition of the task, of any shape (finite impulse response, "
            f"from the onset of an event until {task.follows_s:g} s after the end of the longest "
            "one [@cole2019]) was regressed as confounds are.",
        ),
    }[task.task_regressors]
    yield Said(label="Task regressors", value=value, sentences=(sentence,))


_BRIDGES = {
    "linear": "straight lines between the kept ones",
    "nilearn": "a cubic spline through the kept ones",
}


def _bridges(strategies: Iterable[Strategy]) -> str:
    """What stands in for censored volumes, with whatever strategy."""
    bridges = dict.fromkeys(_BRIDGES[strategy.cleaning.bridge] for strategy in strategies)
    return listed(list(bridges), last="or")


def _censoring_rules(censoring: CensoringParameters) -> Iterator[str]:
    if censoring.dummy_scans == "auto":
        yield "flagged as not in a steady state by fMRIPrep"
    elif censoring.dummy_scans == 1:
        yield "the first of the run"
    elif censoring.dummy_scans:
        yield f"among the first {censoring.dummy_scans} of the run"
    if censoring.fd_threshold_mm is not None:
        work, made = _WORKS_OF_FD[censoring.author], censoring.origin
        made += _WORKS_OF_FILTERS.get(censoring.motion_filter or "", "")
        yield (
            f"above a framewise displacement of {censoring.fd_threshold_mm:g} mm{work} ({made})"
        )
    if censoring.std_dvars_threshold is not None:
        yield f"above a standardized DVARS of {censoring.std_dvars_threshold:g} [@power2014]"
    if censoring.dvars_percent_threshold is not None:
        yield (
            f"more than {censoring.dvars_percent_threshold:g} % of all variance above the median "
            "in their DVARS [@afyouni2018]"
        )
    if censoring.leverage_threshold is not None:
        yield (
            f"above {censoring.leverage_threshold:g} times the median leverage in those principal "
            "components of up to 900 voxels that have heavy tails (projection scrubbing) "
            "[@pham2023]"
        )


_WORKS_OF_FD = {"Power": " [@power2012]", "Jenkinson": " [@jenkinson2002]"}
_WORKS_OF_FILTERS = {"notch": " [@fair2020]", "lp": " [@gratton2020]"}


def _filter(strategy: Strategy, both: str, *, censors: bool) -> Said:
    cleaning = strategy.cleaning
    high, low = cleaning.high_pass_hz, cleaning.low_pass_hz
    if cleaning.filter == "none":
        return Said(label="Temporal filter", value="none")
    value = (
        f"{cleaning.filter}, {f'{high:g} Hz' if high else '0'} to "
        f"{f'{low:g} Hz' if low else 'Nyquist'}"
    )
    if cleaning.filter == "cosine":
        return Said(label="Temporal filter", value=value)  # a part of the regression
    reason = (
        ", so that regression does not bring back what the filter has removed [@lindquist2019]"
        if strategy.regresses
        else ""
    )
    sentence = (
        f"A Butterworth filter of order {cleaning.filter_order}, run forwards and backwards, was "
        f"applied to {both}{reason}; {_pass_band(cleaning)}. {_ENDS[cleaning.filter_ends]}"
    )
    then = ("The censored volumes were then taken out.",) if censors else ()
    return Said(label="Temporal filter", value=value, sentences=(sentence, *then))


_ENDS = {
    "even": "Beyond its ends, a run was taken to go on as its own mirror image.",
    "nilearn": "The ends of a run were padded by its volumes there, turned about the end point.",
    "xcpd": "The ends of a run were padded by the end point, for as long as the run.",
}


def _pass_band(cleaning: CleaningParameters) -> str:
    high, low = cleaning.high_pass_hz, cleaning.low_pass_hz
    if high is not None and low is not None:
        return f"it passed frequencies from {high:g} to {low:g} Hz"
    return f"it passed frequencies {f'above {high:g}' if low is None else f'below {low:g}'} Hz"


def _regression(strategy: Strategy) -> Iterator[str]:
    cleaning = strategy.cleaning
    if cleaning.filter == "cosine":
        together = ", together with the confounds," if strategy.regresses else ""
        yield (
            f"Cosines with frequencies below {cleaning.high_pass_hz:g} Hz were regressed from the "
            f"signals{together} by least squares."
        )
    elif strategy.regresses:
        yield "The confounds were regressed from the signals by least squares."
    if cleaning.is_high_pass and strategy.wants("cosine00"):
        yield (
            "The cosine drift terms of fMRIPrep were left out of the regression, because the "
            "filter takes slow changes away."
        )
    if strategy.wants("global_signal"):
        yield (
            "Regressing the global signal moves the whole distribution of correlations towards "
            "negative values, and whether it takes away noise or activity is not settled, so "
            "results should be compared with those without it [@murphy2017]."
        )


def _spared(groups: Iterable[ColumnGroup]) -> Iterator[str]:
    """Say what became of variance that some confounds share with accepted components."""
    labels: dict[str, list[str]] = {}
    for group in groups:
        labels.setdefault(group.regression, []).append(group.label)
    if "orthogonalised" in labels:
        yield (
            f"Before, what accepted components explain of {listed(labels['orthogonalised'])} was "
            "taken out of these by least squares (orthogonalisation)."
        )
    if "nonaggressive" in labels:
        yield (
            f"Accepted components were fitted together with {listed(labels['nonaggressive'])}, of "
            "which only their own part of the fit was removed (non-aggressive regression)."
        )


def _standardization(cleaning: CleaningParameters) -> Said:
    value, *sentences = {
        "zscore": (
            "z-score (sample SD)",
            "The signals were standardized to mean 0 and sample standard deviation 1.",
        ),
        "psc": (
            "percent signal change",
            "The signals were expressed as percent change from their mean.",
        ),
        "none": ("none",),
    }[cleaning.standardize]
    return Said(label="Standardisation", value=value, sentences=tuple(sentences))
