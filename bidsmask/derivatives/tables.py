"""The files of a run: the name of each, and what stands in it.

`outputs` turns the values of a run into pairs of a name and a content; nothing is written here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray, FloatArray, IntArray
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives.description import bids_uri
from bidsmask.derivatives.names import output_name
from bidsmask.derivatives.run_result import AtlasResult, RegionSignals, RunResult, StrategyResult
from bidsmask.derivatives.writing import safe_text
from bidsmask.images.io import image_bytes
from bidsmask.numerics.cleaning import CleaningParameters
from bidsmask.numerics.connectivity import MEASURES
from bidsmask.numerics.filters import BUTTERWORTH_ORDER

Content = pd.DataFrame | dict[str, Any] | bytes
"""A table, a sidecar, or an image."""

QUALITY_COLUMNS: Mapping[str, tuple[str, str]] = {
    "strategy": ("Confound strategy, as in the entity desc", ""),
    "n_volumes": ("Volumes of the BOLD run", "volumes"),
    "n_non_steady_state": ("Volumes before the signal was in a steady state", "volumes"),
    "n_censored": ("Volumes left out, for whatever reason", "volumes"),
    "n_kept": ("Volumes that the results rest on", "volumes"),
    "minutes_kept": ("Kept volumes times repetition time", "min"),
    "mean_fd_kept": ("Mean framewise displacement of the kept volumes", "mm"),
    "n_detrend": ("Degrees of freedom spent on mean and line", "volumes"),
    "n_filter": ("Degrees of freedom spent on the temporal filter", "volumes"),
    "n_confounds": ("Degrees of freedom spent on confounds (rank of the design)", "volumes"),
    "dof_remaining": (
        "Temporal degrees of freedom left: kept volumes minus all that was spent "
        "(doi:10.1016/j.neuroimage.2017.03.020)",
        "volumes",
    ),
    "mean_fd": (
        "Mean framewise displacement of all volumes (doi:10.1016/j.neuroimage.2011.10.018)",
        "mm",
    ),
    "max_fd": ("Largest framewise displacement of all volumes", "mm"),
    "mean_dvars": (
        "Mean over time of DVARS, the root mean square over the mask of the change from one "
        "volume to the next, before cleaning",
        "arbitrary",
    ),
    "median_tsnr": (
        "Median over the mask of the temporal signal-to-noise ratio (mean divided by standard "
        "deviation), before cleaning",
        "1",
    ),
    "fd_dvars_correlation": (
        "Pearson correlation of framewise displacement and DVARS, before cleaning",
        "1",
    ),
    "n_voxels": ("Voxels of the brain mask", "voxels"),
    "n_nonfinite_voxels": ("Voxels of the mask that are NaN or infinite at some time", "voxels"),
}
"""Columns of the table of quality measures: meaning and unit, in their order."""

_NATIVE_SPACES = ("T1w", "T2w", "anat", "bold", "boldref", "func", "individual", "orig", "scanner")

_CENSORED_ROWS = {
    "na": "Rows of censored volumes are n/a.",
    "drop": "Censored volumes have no row.",
    "interpolate": "Rows of censored volumes are a cubic spline through the kept ones; n/a before "
    "the first and after the last kept one.",
}

_UNITS = {"zscore": "standard deviations", "psc": "percent of the mean", "none": "arbitrary"}

_COVERAGE_COLUMNS: dict[str, Any] = {
    "Node": {"Description": "Name of the region"},
    "index": {"Description": "Label of the region in the atlas image"},
    "n_voxels": {"Description": "Voxels of the region on the grid of the run", "Units": "voxels"},
    "n_covered": {"Description": "Those of them inside the brain mask", "Units": "voxels"},
    "coverage": {"Description": "n_covered divided by n_voxels", "Units": "1"},
    "status": {
        "Description": "Whether the region has a signal",
        "Levels": {
            "ok": "it has, from all of its voxels",
            "partial": "it has, from those of its voxels that lie inside the brain mask",
            "low": "n/a: too few of its voxels lie inside the brain mask",
            "constant": "n/a: its signal never changes, or is not a finite number at some time",
            "empty": "n/a: none of its voxels lies on the grid and inside the brain mask",
        },
    },
    "reason": {"Description": "Why the status is not ok"},
}


def outputs(
    result: RunResult, output_dir: Path, links: Mapping[str, str | Path]
) -> Iterator[tuple[Path, Content]]:
    """Give name (relative to the output dataset) and content of every file of a run."""
    about = _About(result, output_dir, links)
    for atlas in result.atlases:
        yield from _atlas_files(about, atlas)
        yield from _coverage_files(about, atlas)
        for used, regions in zip(result.strategies, atlas.by_strategy, strict=True):
            yield from _time_series_files(about, atlas, used, regions)
            yield from _matrix_files(about, atlas, used, regions)
    for used in result.strategies:
        yield from _design_files(about, used)
        yield from _outliers_files(about, used)
    yield from _quality_files(about)


class _About:
    """What the sidecars of a run have in common: names, sources, time and space."""

    def __init__(
        self, result: RunResult, output_dir: Path, links: Mapping[str, str | Path]
    ) -> None:
        self.result = result
        self.run = result.run
        self._output_dir = output_dir
        self._links = links

    def names(self, suffix: str, *extensions: str, **entities: Any) -> tuple[Path, ...]:
        return tuple(
            output_name(self.run.entities, suffix=suffix, extension=extension, **entities)
            for extension in extensions
        )

    def sources(self, *paths: Path | None) -> list[str]:
        return [bids_uri(path, self._output_dir, self._links) for path in paths if path]

    def output(self, name: Path) -> str:
        """Give the URI of one of our own files."""
        return bids_uri(self._output_dir / name, self._output_dir, self._links)

    @property
    def bold_and_confounds(self) -> list[str]:
        run = self.run
        return self.sources(run.bold, run.mask, run.confounds, run.confounds_json)

    def acquisition(self) -> dict[str, Any]:
        """Give what the sidecars of the BOLD say that holds for its time series too."""
        said = dict(self.run.metadata)
        kept = ("TaskName", "StartTime", "SliceTimingCorrected", "EchoTime", "FlipAngle")
        task = {"TaskName": self.run.task} if self.run.task else {}
        return task | {key: said[key] for key in kept if key in said}

    def space(self) -> dict[str, Any]:
        """Give what is required of a file with ``space`` or ``res`` in its name."""
        space = {"SpatialReference": self._reference()}
        if "res" in self.run.entities:
            sizes = " x ".join(f"{size:g}" for size in self.result.grid.voxel_sizes_mm)
            space["Resolution"] = f"Voxels of {sizes} mm, as the preprocessed BOLD image has"
        return space

    def _reference(self) -> str:
        if self.run.space is None or self.run.space in _NATIVE_SPACES:
            return self.sources(self.run.boldref or self.run.bold)[0]
        return f"https://github.com/templateflow/tpl-{self.run.space}"


def _atlas_files(about: _About, result: AtlasResult) -> Iterator[tuple[Path, Content]]:
    atlas, lut = result.atlas, result.atlas.lut
    image, table, sidecar = about.names("dseg", ".nii.gz", ".tsv", ".json", atlas=atlas.entities)
    extra = dict(lut.columns)
    yield image, image_bytes(_smallest_integers(result.placed.labels), about.result.grid)
    yield table, pd.DataFrame({"index": lut.ids, "name": lut.names, **extra})
    content = {
        "Description": f"Regions of the atlas {atlas.name} on the grid of the run "
        "(nearest neighbour), before the brain mask was applied",
        "Sources": [_atlas_uri(about, atlas)],
        **about.acquisition(),
        **about.space(),
        **_about_atlas(about, atlas),
    }
    columns = {name: _described(f"{name}, as the atlas has it") for name in extra}
    yield sidecar, _with_columns(content, columns)


def _coverage_files(about: _About, result: AtlasResult) -> Iterator[tuple[Path, Content]]:
    atlas = result.atlas
    table, sidecar = about.names("bold", ".tsv", ".json", atlas=atlas.entities, stat="coverage")
    yield table, result.coverage
    yield (
        sidecar,
        {
            "Description": f"Share of each region of {atlas.name} that lies in the brain mask",
            "Sources": [*about.sources(about.run.bold, about.run.mask), _copy(about, atlas)],
            **about.acquisition(),
            **about.space(),
            **_about_atlas(about, atlas),
            "MinimumCoverage": about.result.min_coverage,
            **_COVERAGE_COLUMNS,
        },
    )


def _time_series_files(
    about: _About, atlas: AtlasResult, used: StrategyResult, regions: RegionSignals
) -> Iterator[tuple[Path, Content]]:
    result = about.result
    table, sidecar = about.names(
        "timeseries",
        ".tsv",
        ".json",
        atlas=atlas.atlas.entities,
        stat=result.statistic,
        desc=used.strategy.name,
    )
    signals = np.asarray(regions.signals, dtype=np.float32)
    yield table, pd.DataFrame(signals, columns=_node_names(atlas))
    content = {
        "Description": f"The {result.statistic} over the voxels of each region of "
        f"{atlas.atlas.name} in the brain mask{_smoothed(result)}, cleaned. "
        f"{used.strategy.description} {_CENSORED_ROWS[result.censor_output]}",
        "Sources": [*about.bold_and_confounds, _copy(about, atlas.atlas)],
        **about.acquisition(),
        **_sampling(result, used),
        **about.space(),
        **_about_atlas(about, atlas.atlas),
        "MinimumCoverage": result.min_coverage,
        "SmoothingFWHM": result.smoothing_fwhm_mm,
        **_about_cleaning(used),
        **_warnings(result.warnings, used.confounds.warnings, atlas.atlas.warnings),
    }
    yield sidecar, _with_columns(content, _region_columns(atlas, result, used))


def _smoothed(result: RunResult) -> str:
    fwhm = result.smoothing_fwhm_mm
    return f", of volumes smoothed by a Gaussian of {fwhm:g} mm FWHM" if fwhm else ""


def _matrix_files(
    about: _About, atlas: AtlasResult, used: StrategyResult, regions: RegionSignals
) -> Iterator[tuple[Path, Content]]:
    names = _node_names(atlas)
    (series,) = about.names(
        "timeseries",
        ".tsv",
        atlas=atlas.atlas.entities,
        stat=about.result.statistic,
        desc=used.strategy.name,
    )
    for measure_name, matrix in regions.matrices:
        measure = MEASURES[measure_name]
        table, sidecar = about.names(
            "relmat",
            ".tsv",
            ".json",
            atlas=atlas.atlas.entities,
            stat=measure.stat,
            desc=used.strategy.name,
        )
        rows = pd.DataFrame(np.asarray(matrix, dtype=np.float32), columns=names)
        rows.insert(0, "Node", names, allow_duplicates=True)
        yield table, rows
        yield (
            sidecar,
            {
                "Description": f"{measure.description}, between the regions of "
                f"{atlas.atlas.name}, over the {used.ledger.n_kept} kept volumes",
                "Sources": [about.output(series)],
                "RelationshipMeasure": measure.name,
                "MeasureDescription": measure.description,
                "Weighted": True,
                "Directed": not measure.symmetric,
                "ValidDiagonal": measure.valid_diagonal,
                "NonNegative": False,
                "StorageFormat": "Full",
                "NodeFiles": [_copy(about, atlas.atlas, extension=".tsv")],
                "Software": f"bidsmask {about.result.version}",
                **about.acquisition(),
                **about.space(),
                **_about_atlas(about, atlas.atlas),
                **_about_cleaning(used),
                "Node": {"Description": "Region of the row; the columns have the same order"},
            },
        )


def _design_files(about: _About, used: StrategyResult) -> Iterator[tuple[Path, Content]]:
    confounds = used.confounds
    if not confounds.columns:
        return
    table, sidecar = about.names(
        "design", ".tsv", ".json", desc=used.strategy.name, with_space=False
    )
    yield table, pd.DataFrame(confounds.design, columns=list(confounds.columns))
    content = {
        "Description": "Confounds that were regressed, as in the confounds table, with one row "
        "for every BOLD volume, censored ones included. Detrending, filtering and "
        "standardisation came after.",
        "Sources": about.sources(about.run.confounds, about.run.confounds_json),
        "FilledColumns": list(confounds.filled),
        "ConfoundStrategy": _about_strategy(used.strategy),
    }
    columns = {name: _design_column(name, confounds) for name in confounds.columns}
    yield sidecar, _with_columns(content, columns)


def _outliers_files(about: _About, used: StrategyResult) -> Iterator[tuple[Path, Content]]:
    table, sidecar = about.names(
        "outliers", ".tsv", ".json", desc=used.strategy.name, with_space=False
    )
    methods = dict(used.confounds.outliers)
    flags = {**methods, "censored": ~used.sample_mask}
    yield table, pd.DataFrame({name: values.astype(int) for name, values in flags.items()})
    yield (
        sidecar,
        {
            "Description": "Volumes that were left out, one row for every BOLD volume",
            "Sources": about.sources(about.run.confounds, about.run.confounds_json),
            "CensoringParameters": dataclasses.asdict(used.strategy.censoring),
            **{name: _outlier_column(name, used.strategy) for name in flags},
        },
    )


def _quality_files(about: _About) -> Iterator[tuple[Path, Content]]:
    result = about.result
    table, sidecar = about.names("qc", ".tsv", ".json", desc="bidsmask")
    rows = pd.DataFrame([_quality_row(result, used) for used in result.strategies])
    yield table, rows
    yield (
        sidecar,
        {
            "Description": "Quality of the run: one row for each confound strategy",
            "Sources": about.bold_and_confounds,
            **about.acquisition(),
            "RepetitionTime": result.t_r,
            **{name: _described(*QUALITY_COLUMNS[name]) for name in rows.columns},
            **_warnings(result.warnings),
        },
    )


def _quality_row(result: RunResult, used: StrategyResult) -> dict[str, Any]:
    ledger, confounds = used.ledger, used.confounds
    dummies = dict(confounds.outliers).get("non_steady_state", np.zeros(0, dtype=bool))
    return {
        "strategy": used.strategy.name,
        "n_volumes": ledger.n_volumes,
        "n_non_steady_state": int(dummies.sum()),
        "n_censored": ledger.n_censored,
        "n_kept": ledger.n_kept,
        "minutes_kept": ledger.n_kept * result.t_r / 60,
        "mean_fd_kept": _mean_known(confounds.fd_mm, used.sample_mask),
        "n_detrend": ledger.n_detrend,
        "n_filter": float(ledger.n_filter),
        "n_confounds": ledger.n_confounds,
        "dof_remaining": float(ledger.remaining),
        **{name: _count_or_number(name, value) for name, value in result.quality.items()},
    }


def _mean_known(values: FloatArray | None, sample_mask: BoolArray) -> float:
    if values is None:
        return float("nan")
    known = values[sample_mask & ~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _count_or_number(name: str, value: float) -> float:
    return int(value) if name.startswith("n_") else float(value)


def _sampling(result: RunResult, used: StrategyResult) -> dict[str, Any]:
    """When the rows were measured; regular unless censored volumes have no row."""
    n_volumes, n_kept = used.sample_mask.size, int(used.sample_mask.sum())
    counts = {"NumberOfVolumes": n_volumes, "CensoredVolumes": n_volumes - n_kept}
    if result.censor_output == "drop" and n_kept < n_volumes:
        times = np.flatnonzero(used.sample_mask) * result.t_r
        return {"SamplingFrequency": "TR", "VolumeTiming": times.tolist(), **counts}
    return {"SamplingFrequency": 1 / result.t_r, "RepetitionTime": result.t_r, **counts}


def _about_atlas(about: _About, atlas: Atlas) -> dict[str, Any]:
    return {
        "Atlas": atlas.name,
        "AtlasFile": {"URI": _atlas_uri(about, atlas), "SHA256": atlas.sha256},
    }


def _atlas_uri(about: _About, atlas: Atlas) -> str:
    if atlas.source.startswith("bids:"):
        return atlas.source
    return about.sources(Path(atlas.source))[0]


def _copy(about: _About, atlas: Atlas, *, extension: str = ".nii.gz") -> str:
    """Give the URI of the atlas on the grid of the run."""
    return about.output(about.names("dseg", extension, atlas=atlas.entities)[0])


def _about_cleaning(used: StrategyResult) -> dict[str, Any]:
    strategy = used.strategy
    return {
        "ConfoundStrategy": {
            **_about_strategy(strategy),
            "Columns": list(used.confounds.columns),
        },
        "SoftwareFilters": _software_filters(strategy.cleaning),
        "CleaningParameters": dataclasses.asdict(strategy.cleaning),
        "CensoringParameters": dataclasses.asdict(strategy.censoring),
        "DegreesOfFreedom": dataclasses.asdict(used.ledger),
    }


def _about_strategy(strategy: Strategy) -> dict[str, Any]:
    reference = {"Reference": strategy.reference.text}
    if strategy.reference.doi:
        reference["ReferenceDOI"] = f"doi:{strategy.reference.doi}"
    return {"Name": strategy.name, "Description": strategy.description, **reference}


def _software_filters(cleaning: CleaningParameters) -> dict[str, Any] | str:
    cutoffs = {
        "HighPassCutoff": cleaning.high_pass_hz,
        "LowPassCutoff": cleaning.low_pass_hz,
    }
    in_use = {name: value for name, value in cutoffs.items() if value is not None}
    if cleaning.filter == "butterworth":
        return {"Butterworth": {"Order": BUTTERWORTH_ORDER, "ZeroPhase": True, **in_use}}
    if cleaning.filter == "cosine":
        return {"DiscreteCosineBasis": in_use}
    return "n/a"


def _warnings(*sources: tuple[str, ...]) -> dict[str, Any]:
    warnings = list(dict.fromkeys(warning for source in sources for warning in source))
    return {"Warnings": warnings} if warnings else {}


def _node_names(atlas: AtlasResult) -> list[str]:
    return [str(name) for name in atlas.coverage["Node"]]


def _region_columns(
    atlas: AtlasResult, result: RunResult, used: StrategyResult
) -> dict[str, dict[str, Any]]:
    units = _UNITS[used.strategy.cleaning.standardize]
    return {
        str(row["Node"]): {
            "Description": f"The {result.statistic} over region {row['Node']}",
            "Index": int(row["index"]),
            "Coverage": float(row["coverage"]),
            "Status": str(row["status"]),
            "Units": units,
        }
        for row in atlas.coverage.to_dict("records")
    }


def _design_column(name: str, confounds: Confounds) -> dict[str, Any]:
    if name not in confounds.filled:
        return {"Description": f"Column {name} of the confounds table"}
    return {
        "Description": f"Column {name} of the confounds table; its first rows are n/a there and "
        "were given the first value that follows"
    }


def _outlier_column(method: str, strategy: Strategy) -> dict[str, Any]:
    censoring = strategy.censoring
    levels = {"0": "kept", "1": "flagged"}
    columns: dict[str, dict[str, Any]] = {
        "non_steady_state": {
            "Description": "Volumes before the signal was in a steady state",
            "Threshold": censoring.dummy_scans,
        },
        "framewise_displacement": {
            "Description": "Framewise displacement above the threshold",
            "Threshold": censoring.fd_threshold_mm,
            "Units": "mm",
        },
        "std_dvars": {
            "Description": "Standardised DVARS above the threshold",
            "Threshold": censoring.std_dvars_threshold,
        },
        "short_segment": {
            "Description": "Stretches between flagged volumes shorter than the threshold",
            "Threshold": censoring.min_segment_volumes,
            "Units": "volumes",
        },
        "censored": {"Description": "Volumes left out, for any of these reasons"},
    }
    return {**columns[method], "Levels": levels}


def _with_columns(
    content: dict[str, Any], columns: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Add descriptions of columns, under the names that they have in the table's header.

    A key that BIDS knows is never given up for a region that happens to have the same name.
    """
    named = {safe_text(name): description for name, description in columns.items()}
    return content | {name: named[name] for name in named if name not in content}


def _described(description: str, units: str = "") -> dict[str, str]:
    return {"Description": description, **({"Units": units} if units else {})}


def _smallest_integers(labels: IntArray) -> IntArray:
    """Store labels in the smallest type of 2 to 8 bytes that holds them."""
    largest = labels.max(initial=0)
    kinds = (np.int16, np.int32, np.int64)
    return labels.astype(next(kind for kind in kinds if largest <= np.iinfo(kind).max))
