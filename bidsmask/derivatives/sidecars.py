"""What the sidecars of a run say, as dictionaries; nothing is named or written here."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import BoolArray
from bidsmask.columns.coverage import STATUSES
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.runs import BoldRun
from bidsmask.dataset.seeds import SeedSet
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives.description import bids_uri
from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.derivatives.writing import safe_text
from bidsmask.images.grayordinates import LEFT, RIGHT, Lattice
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.cleaning_parameters import CleaningParameters
from bidsmask.numerics.connectivity.measures import Measure
from bidsmask.numerics.freedom import DegreesOfFreedom
from bidsmask.numerics.verdict import RULES, Rule
from bidsmask.vocabulary import NATIVE_SPACES, CensorOutput

_CORTICES = {
    LEFT: "CIFTI_STRUCTURE_LEFT_CORTEX",
    RIGHT: "CIFTI_STRUCTURE_RIGHT_CORTEX",
}
"""Keys of ``SpatialReference``, which BIDS and fMRIPrep spell otherwise than CIFTI does."""

_VOLUME_OF_CIFTI = "MNI152NLin6Asym"
"""The space of the voxels of grayordinates in fsLR."""

_UNITS = {"zscore": "standard deviations", "psc": "percent of the mean", "none": "arbitrary"}
_UNITS_OF_SCALED_VOXELS = {
    "zscore": "standard deviations of a voxel",
    "psc": "percent of the mean of a voxel",
}

COVERAGE_COLUMNS: dict[str, Any] = {
    "Node": {"Description": "Name of the region, map or seed"},
    "index": {"Description": "Its label in the image of the atlas, or its number from 1"},
    "n_voxels": {
        "Description": "All of its voxels, also beyond the grid of the run, in voxels of the run",
        "Units": "voxels",
    },
    "n_covered": {
        "Description": "Those of them that are covered: inside the brain mask, finite in all "
        "volumes of the run, and not constant",
        "Units": "voxels",
    },
    "coverage": {
        "Description": "Share that is covered: n_covered divided by n_voxels; of a map, the share "
        "of its squared weight",
        "Units": "1",
    },
    "status": {"Description": "Whether there is a signal", "Levels": dict(STATUSES)},
    "reason": {"Description": "Why the status is not ok"},
    **{
        axis: {
            "Description": f"Centroid of what is covered, {towards}: the mean of its coordinates, "
            "in the space of the run, or of the mesh that its vertices lie on; of a map, weighted "
            "by its squared weight; n/a where nothing is, and of vertices of which no mesh was "
            "found",
            "Units": "mm",
        }
        for axis, towards in (("x", "to the right"), ("y", "to the front"), ("z", "upwards"))
    },
}


def coverage_columns(places: str) -> dict[str, Any]:
    """Describe the columns of a table of coverage.

    Parameters
    ----------
    places : str
        What columns are made of: "voxels", or on surfaces "vertices" or "grayordinates".
    """
    if places == "voxels":
        return COVERAGE_COLUMNS
    of_surfaces = {
        f"n_{places}": {
            "Description": f"All of its {places}, also those that the run has not",
            "Units": places,
        },
        "n_covered": {
            "Description": "Those of them that are covered: finite in all volumes of the run, and "
            "not constant",
            "Units": places,
        },
        "coverage": {
            "Description": f"Share that is covered: n_covered divided by n_{places}; of a map, "
            "the share of its squared weight",
            "Units": "1",
        },
    }
    renamed = {"n_voxels": f"n_{places}"}
    return {
        renamed.get(name, name): of_surfaces.get(renamed.get(name, name), column)
        for name, column in COVERAGE_COLUMNS.items()
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the files of a run come from.

    Parameters
    ----------
    run : BoldRun
    grid : Grid or Grayordinates
        Of the BOLD run.
    output_dir : Path
        The dataset whose own files have URIs without a name.
    links : mapping from name to root
        Datasets that BIDS URIs refer to.
    """

    run: BoldRun
    grid: Lattice
    output_dir: Path
    links: Mapping[str, str | Path]

    def sources(self, *paths: Path | None) -> list[str]:
        """URIs of the files that are there."""
        return [bids_uri(path, self.output_dir, self.links) for path in paths if path]

    def output(self, name: Path) -> str:
        """URI of one of our own files."""
        return bids_uri(self.output_dir / name, self.output_dir, self.links)

    def bold_and_confounds(self, strategies: Sequence[Strategy]) -> list[str]:
        """URIs of what signals that some strategies clean are made of."""
        run = self.run
        return self.sources(*run.files, run.mask, *run.confounds_files(strategies))

    def atlas(self, atlas: Atlas | SeedSet) -> list[str]:
        """URIs of the files of an atlas, or of a table of seeds."""
        return [
            source if source.startswith("bids:") else self.sources(Path(source))[0]
            for source in atlas.sources
        ]

    @property
    def acquisition(self) -> dict[str, Any]:
        """What the sidecars of the BOLD say that holds for its time series too."""
        said = dict(self.run.metadata)
        kept = ("TaskName", "StartTime", "SliceTimingCorrected", "EchoTime", "FlipAngle")
        task = {"TaskName": self.run.task} if self.run.task else {}
        return task | {key: said[key] for key in kept if key in said}

    @property
    def space(self) -> dict[str, Any]:
        """What is required of a file with ``space`` or ``res`` in its name."""
        space: dict[str, Any] = {"SpatialReference": self._reference()}
        if "Density" in (said := dict(self.run.metadata)):
            space["Density"] = said["Density"]
        elif "den" in self.run.entities or self.run.file_format != "nifti":
            space["Density"] = f"{self.grid.n_voxels} {self.grid.word}"
        if "res" in self.run.entities:
            sizes = " x ".join(f"{size:g}" for size in self.grid.voxel_sizes_mm)
            space["Resolution"] = f"Voxels of {sizes} mm, as the preprocessed BOLD image has"
        return space

    def about_atlas(self, atlas: Atlas | SeedSet) -> dict[str, Any]:
        """Which atlas or set of seeds it was, and which file of it."""
        files = [
            {"URI": uri, "SHA256": sha256}
            for uri, sha256 in zip(self.atlas(atlas), atlas.sha256, strict=True)
        ]
        return {"Atlas": atlas.name, "AtlasFile": files[0] if len(files) == 1 else files}

    def _reference(self) -> str | dict[str, str]:
        if self.run.file_format != "nifti":
            return self._reference_of_surfaces()
        if self.run.space is None or self.run.space in NATIVE_SPACES:
            return self.sources(self.run.boldref or self.run.bold)[0]
        return _template(self.run.space)

    def _reference_of_surfaces(self) -> dict[str, str]:
        """What the sidecar of the run says, or the template of its space; of each structure."""
        said = dict(self.run.metadata).get("SpatialReference", "")
        if said.startswith("{"):
            reference: dict[str, str] = json.loads(said)
            return reference
        whole = said or self._template_of_surfaces()
        names = {each.name for each in self.grid.structures}
        return {key: whole for name, key in _CORTICES.items() if name in names} | (
            {"VolumeReference": _template(_VOLUME_OF_CIFTI)} if self.grid.volume else {}
        )

    def _template_of_surfaces(self) -> str:
        space = self.run.space
        if space is None or space in NATIVE_SPACES:
            return self.sources(self.run.bold)[0]
        return _template(self.grid.space or space)


def _template(space: str) -> str:
    return f"https://github.com/templateflow/tpl-{space}"


def sampling(sample_mask: BoolArray, *, t_r: float, how: CensorOutput) -> dict[str, Any]:
    """When the rows were measured; regular unless censored volumes have no row.

    Parameters
    ----------
    sample_mask : bool array of shape (T,)
        True for the volumes that came out of cleaning.
    t_r : float
        Repetition time in seconds.
    how : {"na", "drop", "interpolate"}
        What the rows of censored volumes hold.
    """
    n_volumes, n_kept = sample_mask.size, int(sample_mask.sum())
    counts = {"NumberOfVolumes": n_volumes, "CensoredVolumes": n_volumes - n_kept}
    if how == "drop" and n_kept < n_volumes:
        times = np.flatnonzero(sample_mask) * t_r
        return {"SamplingFrequency": "TR", "VolumeTiming": times.tolist(), **counts}
    return {"SamplingFrequency": 1 / t_r, "RepetitionTime": t_r, **counts}


def volume_sampling(sample_mask: BoolArray, *, t_r: float, how: CensorOutput) -> dict[str, Any]:
    """When the volumes of an image were measured; see `sampling`.

    Where volumes are left out, BIDS asks for how long each took: from one to the next.
    """
    said = sampling(sample_mask, t_r=t_r, how=how)
    frames = {"FrameAcquisitionDuration": t_r} if "VolumeTiming" in said else {}
    return {key: said[key] for key in said if key != "SamplingFrequency"} | frames


def about_cleaning(
    strategy: Strategy, confounds: Confounds, ledger: DegreesOfFreedom
) -> dict[str, Any]:
    """How signals were cleaned, with the settings that took effect."""
    said = about_cleaning_of_runs(strategy)
    said["ConfoundStrategy"] |= {"Columns": list(confounds.columns)}
    return {**said, "DegreesOfFreedom": dataclasses.asdict(ledger)}


def about_cleaning_of_runs(strategy: Strategy) -> dict[str, Any]:
    """How the signals of whatever run were cleaned."""
    return {
        "ConfoundStrategy": about_strategy(strategy),
        "SoftwareFilters": _software_filters(strategy.cleaning),
        "CleaningParameters": dataclasses.asdict(strategy.cleaning),
        "CensoringParameters": dataclasses.asdict(strategy.censoring),
        **({"TaskParameters": dataclasses.asdict(strategy.task)} if strategy.models_task else {}),
    }


def about_strategy(strategy: Strategy) -> dict[str, Any]:
    """Which strategy it was, and what to cite for it."""
    reference = {"Reference": strategy.reference.text}
    if strategy.reference.doi:
        reference["ReferenceDOI"] = f"doi:{strategy.reference.doi}"
    return {"Name": strategy.name, "Description": strategy.description, **reference}


def about_measure(measure: Measure, *, fisher_z: bool) -> dict[str, Any]:
    """Which relation of regions a matrix holds, in the words of BEP017."""
    said = filter(None, [measure.description, measure.caveat])
    return {
        "RelationshipMeasure": f"Fisher's z of {measure.name}" if fisher_z else measure.name,
        "MeasureDescription": ". ".join(said),
        "Weighted": True,
        "Directed": not measure.symmetric,
        "ValidDiagonal": measure.valid_diagonal,
        "NonNegative": False,
        "StorageFormat": "Full",
    }


def about_map(measure: Measure, *, fisher_z: bool) -> dict[str, Any]:
    """Which relation of a seed to every voxel a map holds."""
    said = about_measure(measure, fisher_z=fisher_z)
    return {key: said[key] for key in ("RelationshipMeasure", "MeasureDescription")}


def warnings(*sources: Iterable[str]) -> dict[str, Any]:
    """Say each warning once; nothing without any."""
    found = list(dict.fromkeys(warning for source in sources for warning in source))
    return {"Warnings": found} if found else {}


def not_done(letters: tuple[str, ...]) -> dict[str, Any]:
    """Say what of a run is n/a; nothing where all of it is done."""
    return {"NotDone": list(letters)} if letters else {}


def units_of(standardize: str, voxel_scaling: str) -> str:
    """Unit of signals: that of their standardisation, else of the voxels that were averaged."""
    if standardize == "none" and voxel_scaling in _UNITS_OF_SCALED_VOXELS:
        return _UNITS_OF_SCALED_VOXELS[voxel_scaling]
    return _UNITS[standardize]


def region_columns(
    coverage: pd.DataFrame, description: str, *, units: str
) -> dict[str, dict[str, Any]]:
    """Columns of a table of time series, by the names of their regions.

    Parameters
    ----------
    coverage : DataFrame
        One row per region, as `bidsmask.columns.coverage.Coverage.table` makes it.
    description : str
        What a column holds; the name of the region is put behind it.
    units : str
        Of `units_of`.
    """
    return {
        str(row["Node"]): {
            "Description": f"{description} {row['Node']}",
            "Index": int(row["index"]),
            "Coverage": float(row["coverage"]),
            "Status": str(row["status"]),
            "Units": units,
        }
        for row in coverage.to_dict("records")
    }


def design_columns(confounds: Confounds) -> dict[str, dict[str, Any]]:
    """Columns of the design: those of the confounds table by their names there, and responses."""
    filled = "; its first rows are n/a there and were given the first value that follows"
    return {
        name: described(f"Column {name} of {origin}{filled if name in confounds.filled else ''}")
        for name, origin in zip(confounds.columns, confounds.origins, strict=False)
    } | {name: described(description) for name, description in confounds.responses}


def outlier_columns(names: Iterable[str], censoring: CensoringParameters) -> dict[str, Any]:
    """Columns of the table of outliers: what flagged a volume, and from which value on."""
    columns: dict[str, dict[str, Any]] = {
        "non_steady_state": {
            "Description": "Volumes before the signal was in a steady state",
            "Threshold": censoring.dummy_scans,
        },
        "framewise_displacement": {
            "Description": f"Framewise displacement above the threshold: {censoring.in_words}",
            "Threshold": censoring.fd_threshold_mm,
            "Units": "mm",
        },
        "std_dvars": {
            "Description": "Standardised DVARS, as nipype and fMRIPrep define it, above the "
            "threshold",
            "Threshold": censoring.std_dvars_threshold,
        },
        "dvars_percent": {
            "Description": "DVARS above its median as a share of all variance, before cleaning "
            "(Delta%D-var, doi:10.1016/j.neuroimage.2017.12.098), above the threshold",
            "Threshold": censoring.dvars_percent_threshold,
            "Units": "%",
        },
        "leverage": {
            "Description": "Leverage in principal components with heavy tails of voxels of the "
            "carpet (projection scrubbing, doi:10.1016/j.neuroimage.2023.119972), above so many "
            "times its median, and above what the largest of normal noise reaches in one run of "
            "twenty",
            "Threshold": censoring.leverage_threshold,
        },
        "neighbour": {
            "Description": "So many volumes before and after one above a threshold",
            "Threshold": [censoring.volumes_before, censoring.volumes_after],
            "Units": "volumes",
        },
        "short_segment": {
            "Description": "Stretches between flagged volumes shorter than the threshold",
            "Threshold": censoring.min_segment_volumes,
            "Units": "volumes",
        },
        "censored": {"Description": "Volumes left out, for any of these reasons"},
    }
    return {name: columns[name] | {"Levels": {"0": "kept", "1": "flagged"}} for name in names}


def quality_columns(names: Iterable[str]) -> dict[str, Any]:
    """Columns of the table of quality measures."""
    return {name: QUALITY_COLUMNS[name].described() for name in names}


def verdict_limits(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Say by which limits the verdict was made, and where they are from."""
    return {
        "VerdictLimits": {
            name: {
                "Look": f"{rule.worse} {rule.look:g}" if rule.look is not None else "never",
                "DoNotUse": f"{rule.worse} {rule.do_not_use:g}"
                if rule.do_not_use is not None
                else "never",
                "Source": rule.why if rule == RULES[name] else "given by the user",
            }
            for name, rule in rules.items()
        }
    }


def with_columns(content: dict[str, Any], columns: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Add descriptions of columns, under the names that they have in the table's header.

    A key that BIDS knows is never given up for a region that happens to have the same name.
    """
    named = {safe_text(name): description for name, description in columns.items()}
    return content | {name: named[name] for name in named if name not in content}


def described(description: str, units: str = "") -> dict[str, str]:
    """Describe a column."""
    return {"Description": description, **({"Units": units} if units else {})}


def _software_filters(cleaning: CleaningParameters) -> dict[str, Any] | str:
    cutoffs = {
        "HighPassCutoff": cleaning.high_pass_hz,
        "LowPassCutoff": cleaning.low_pass_hz,
    }
    in_use = {name: value for name, value in cutoffs.items() if value is not None}
    if cleaning.filter == "butterworth":
        how = {"Order": cleaning.filter_order, "ZeroPhase": True, "Ends": cleaning.filter_ends}
        return {"Butterworth": how | in_use}
    if cleaning.filter == "cosine":
        return {"DiscreteCosineBasis": in_use}
    return "n/a"
