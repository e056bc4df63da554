"""What a user asked for, as frozen values: made once, passed along, never global.

The settings of one invocation can be written as TOML (``logs/.../bidsmask.toml``) and read back
(``--config-file``). Every field has the name of its command-line option.

Where a confound strategy brings a default of its own (filter, censoring, ...), the word
``"strategy"`` means "as the strategy was published", ``"none"`` means "not done".

A plan carries the sections that decide a number as they are, each to the step that computes with
it. What their ``repr`` says is what results are compared by, in the work folder and in the output
(`bidsmask.analysis.plan.RunPlan.digest`). So a field that is looked up when the
plan is made, an atlas by its path, say, is no part of the ``repr``: what it stood for is.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_type_hints

from bidsmask._names import did_you_mean
from bidsmask.dataset.selection import Selection
from bidsmask.errors import SettingsError
from bidsmask.numerics.exclusion import MEASURES as MEASURABLE
from bidsmask.numerics.exclusion import NONE, PRESETS
from bidsmask.numerics.verdict import RULES, Rule, rules_with
from bidsmask.vocabulary import (
    CORRELATIONS,
    MAPS_STATISTICS,
    MEASURES,
    STATISTICS,
    THRESHOLDS,
    AnalysisLevel,
    BetaSeries,
    Bridge,
    CensorOutput,
    Displacement,
    EdgeTimeSeries,
    Filter,
    FilterEnds,
    MotionFilter,
    Standardization,
    TaskRegressors,
    VoxelScaling,
)

DEFAULT_ATLASES = ("Schaefer2018_seg-7n_scale-400",)
DEFAULT_STRATEGIES = ("simple",)

MIN_DOF = 10.0
"""With as many degrees of freedom, correlations of noise have a standard deviation of 0.32."""

CONDITION_DELAY_S = 5.0
"""After so many seconds the canonical response to a brief event is at its peak."""

MOST_MINUTES = 120.0
"""No run is longer; whoever asks for more minutes of one means seconds."""

OfStrategy = Literal["strategy"]
NumberOrNone = float | Literal["none", "strategy"]
NumberOrWord = float | Literal["none"]

_CUTOFFS = ("high_pass_hz", "low_pass_hz", *THRESHOLDS)
_MAY_BE_NONE = (*_CUTOFFS, "motion_filter")


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings:
    """Which regions, maps and seeds, and what is taken of them.

    No atlases are the default ones, unless something else is asked for; see `Settings.atlases`.
    ``statistics`` are keys of `bidsmask.vocabulary.STATISTICS`; connectivity is of the first.
    ``maps_statistic`` is one of `bidsmask.vocabulary.MAPS_STATISTICS`. ``area_weights`` are of
    means on surfaces. ``voxel_scaling`` is what voxels are before they are averaged.
    """

    atlases: tuple[str, ...] = field(default=(), repr=False)
    seeds: tuple[Path, ...] = field(default=(), repr=False)
    seed_radius_mm: float | None = field(default=None, repr=False)
    statistics: tuple[str, ...] = ("mean",)
    maps_statistic: str = "least-squares"
    smoothing_fwhm_mm: float = 0.0
    area_weights: bool = False
    voxel_scaling: VoxelScaling = "none"

    def __post_init__(self) -> None:
        _require(
            "none" not in self.atlases or len(self.atlases) == 1,
            "--atlases none stands alone: it says that there are none.",
        )
        _require(
            self.seed_radius_mm is None or bool(self.seeds),
            "--seed-radius is of the seeds in a table; give one with --seeds.",
        )
        _require(
            self.seed_radius_mm is None or 0 <= self.seed_radius_mm < math.inf,
            f"--seed-radius is a radius in mm from 0, not {self.seed_radius_mm}.",
        )
        _require_words("--maps-statistic", (self.maps_statistic,), MAPS_STATISTICS)
        _require(
            0 <= self.smoothing_fwhm_mm < math.inf,
            f"--smoothing-fwhm is a width in mm from 0 (no smoothing), not "
            f"{self.smoothing_fwhm_mm}.",
        )
        _require(bool(self.statistics), "--statistic needs at least one statistic.")
        _require_words("--statistic", self.statistics, STATISTICS)
        _require(
            not self.area_weights or "mean" in self.statistics,
            "--area-weights are of means, and --statistic asks for none: ask for the mean, or "
            "leave the weights out.",
        )
        _require_words("--voxel-scaling", (self.voxel_scaling,), get_args(VoxelScaling))
        if self.voxel_scaling != "none":
            self._check_scaling()

    def _check_scaling(self) -> None:
        others = [name for name in self.statistics if name != "mean"]
        _require(
            not others,
            "--voxel-scaling is of voxels that are averaged, and --statistic asks for "
            f"{', '.join(others)}: ask for the mean alone, or for --voxel-scaling none.",
        )
        _require(
            not self.smoothing_fwhm_mm,
            "--voxel-scaling and --smoothing-fwhm exclude each other: smoothing would mix voxels "
            "of different scales. Ask for one of them.",
        )


@dataclass(frozen=True, kw_only=True)
class VoxelwiseSettings:
    """What is wanted of every voxel of the brain mask.

    ``voxelwise_smoothing_fwhm_mm`` is of a second copy, smoothed after cleaning; 0 is none.
    ``alff`` is of ALFF and fALFF.
    """

    voxelwise: bool = False
    voxelwise_smoothing_fwhm_mm: float = 0.0
    seed_maps: bool = False
    alff: bool = False
    reho: bool = False

    def __post_init__(self) -> None:
        fwhm_mm = self.voxelwise_smoothing_fwhm_mm
        _require(
            0 <= fwhm_mm < math.inf,
            f"--voxelwise-smoothing-fwhm is a width in mm from 0 (no smoothed copy), not "
            f"{fwhm_mm}.",
        )
        _require(
            self.voxelwise or not fwhm_mm,
            "--voxelwise-smoothing-fwhm is of a copy of the cleaned volumes: give --voxelwise, "
            "too.",
        )

    @property
    def any(self) -> bool:
        """Whether voxels are needed at all."""
        return self.voxelwise or self.seed_maps or self.alff or self.reho

    @property
    def without_sources(self) -> bool:
        """Whether something is wanted that needs neither an atlas nor seeds."""
        return self.voxelwise or self.alff or self.reho

    @property
    def regional(self) -> tuple[str, ...]:
        """Which of `bidsmask.vocabulary.REGIONAL_MEASURES` are wanted."""
        return (*(("alff", "falff") if self.alff else ()), *(("reho",) if self.reho else ()))


@dataclass(frozen=True, kw_only=True)
class CoverageSettings:
    """How much of a region must have been seen."""

    min_coverage: float = 0.5

    def __post_init__(self) -> None:
        _require(
            0 <= self.min_coverage <= 1,
            f"--min-coverage is a share between 0 and 1, not {self.min_coverage}.",
        )


@dataclass(frozen=True, kw_only=True)
class CleaningSettings:
    """Confound strategies, what the command line changes in them, and how little may be left.

    ``min_dof`` are degrees of freedom that have to remain of a run, ``min_minutes`` minutes that
    have to be kept; a strategy that leaves less is n/a for that run. The same ``min_dof`` have to
    remain beyond the number of regions, where a measure inverts their covariance.
    """

    min_dof: float = MIN_DOF
    min_minutes: float = 0.0
    strategies: tuple[str, ...] = field(default=DEFAULT_STRATEGIES, repr=False)
    detrend: bool | OfStrategy = field(default="strategy", repr=False)
    filter: Filter | OfStrategy = field(default="strategy", repr=False)
    high_pass_hz: NumberOrNone = field(default="strategy", repr=False)
    low_pass_hz: NumberOrNone = field(default="strategy", repr=False)
    filter_ends: FilterEnds | OfStrategy = field(default="strategy", repr=False)
    bridge: Bridge | OfStrategy = field(default="strategy", repr=False)
    standardize: Standardization | OfStrategy = field(default="strategy", repr=False)
    fd: Displacement | OfStrategy = field(default="strategy", repr=False)
    head_radius_mm: float | OfStrategy = field(default="strategy", repr=False)
    motion_filter: MotionFilter | Literal["none", "strategy"] = field(
        default="strategy", repr=False
    )
    band_stop_min_bpm: float | OfStrategy = field(default="strategy", repr=False)
    band_stop_max_bpm: float | OfStrategy = field(default="strategy", repr=False)
    motion_filter_order: int | OfStrategy = field(default="strategy", repr=False)
    fd_threshold_mm: NumberOrNone = field(default="strategy", repr=False)
    std_dvars_threshold: NumberOrNone = field(default="strategy", repr=False)
    dvars_percent_threshold: NumberOrNone = field(default="strategy", repr=False)
    leverage_threshold: NumberOrNone = field(default="strategy", repr=False)
    volumes_before: int | OfStrategy = field(default="strategy", repr=False)
    volumes_after: int | OfStrategy = field(default="strategy", repr=False)
    min_segment_volumes: int | OfStrategy = field(default="strategy", repr=False)
    dummy_scans: int | Literal["auto", "strategy"] = field(default="strategy", repr=False)

    def __post_init__(self) -> None:
        _require(bool(self.strategies), "--strategies needs at least one strategy.")
        for name in _CUTOFFS:
            value = getattr(self, name)
            if isinstance(value, int | float):
                _require(value > 0, f"{name} must be above zero, not {value}; 'none' is off.")
        for option, least in (("--min-dof", self.min_dof), ("--min-time", self.min_minutes)):
            _require(0 <= least < math.inf, f"{option} is a number from 0 (off), not {least}.")

    def overrides(self) -> dict[str, Any]:
        """What the command line says of a strategy's own settings."""
        values = {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.default == "strategy"
        }
        return values | {key: None for key in _MAY_BE_NONE if values[key] == "none"}


@dataclass(frozen=True, kw_only=True)
class ConnectivitySettings:
    """Which region-by-region matrices to compute, and whether correlations become Fisher's z.

    ``create_matrices`` says of which volumes: of all that are kept, or of as many as last so many
    minutes, drawn by chance from ``random_seed``.
    ``graphical_lasso_alpha`` is the penalty of graphical lassos; None is one that is chosen by
    cross-validation. ``network_means`` are of Fisher's z, ``edge_timeseries`` of the first
    statistic.
    """

    measures: tuple[str, ...] = ("correlation",)
    fisher_z: bool = False
    create_matrices: tuple[float | Literal["all"], ...] = ("all",)
    random_seed: int = 0
    graphical_lasso_alpha: float | None = None
    network_means: bool = False
    edge_timeseries: EdgeTimeSeries | None = None

    def __post_init__(self) -> None:
        _require_words("--connectivity", self.measures, MEASURES)
        _require(
            not self.fisher_z or any(name in CORRELATIONS for name in self.measures),
            f"--fisher-z is of {', '.join(CORRELATIONS)}; --connectivity asks for none of them.",
        )
        alpha = self.graphical_lasso_alpha
        _require(
            alpha is None or any("graphical-lasso" in name for name in self.measures),
            "--graphical-lasso-alpha is of graphical lassos, and --connectivity asks for none.",
        )
        _require(
            alpha is None or 0 < alpha < math.inf,
            f"--graphical-lasso-alpha is a penalty above 0, not {alpha}.",
        )
        _require(
            not self.network_means or any(name in CORRELATIONS for name in self.measures),
            f"--network-means are of {', '.join(CORRELATIONS)}; --connectivity asks for none of "
            "them.",
        )
        self._check_lengths()

    def _check_lengths(self) -> None:
        _require(bool(self.create_matrices), "--create-matrices is all, or minutes, or both.")
        for minutes in self.minutes:
            _require(
                0 < minutes <= MOST_MINUTES,
                f"--create-matrices is in minutes, from above 0 to {MOST_MINUTES:g}, not "
                f"{minutes:g} (XCP-D counts seconds: its {minutes:g} are {minutes / 60:g} here).",
            )
        labels = [length_label(minutes) for minutes in self.minutes]
        for label in labels:
            _require(labels.count(label) == 1, f"--create-matrices names {label} twice.")
        _require(
            bool(labels) or not self.random_seed,
            "--random-seed is of volumes that are drawn: give --create-matrices MINUTES, too.",
        )
        _require(self.random_seed >= 0, f"--random-seed is 0 or more, not {self.random_seed}.")

    def only(self, measures: tuple[str, ...]) -> Self:
        """Ask for some of the measures, and for nothing that is of others."""
        has_correlation = any(name in CORRELATIONS for name in measures)
        has_lasso = any("graphical-lasso" in name for name in measures)
        return dataclasses.replace(
            self,
            measures=measures,
            fisher_z=self.fisher_z and has_correlation,
            network_means=self.network_means and has_correlation,
            graphical_lasso_alpha=self.graphical_lasso_alpha if has_lasso else None,
        )

    @property
    def minutes(self) -> tuple[float, ...]:
        """Lengths of the matrices for which volumes are drawn."""
        return tuple(float(each) for each in self.create_matrices if each != "all")

    @property
    def of_all_volumes(self) -> tuple[str, ...]:
        """Measures that are wanted over all kept volumes."""
        return self.measures if "all" in self.create_matrices else ()


def length_label(minutes: float) -> str:
    """How a length is called in names of files: in whole seconds.

    Examples
    --------
    >>> length_label(2.5)
    '150s'
    """
    return f"{60 * minutes:.0f}s"


@dataclass(frozen=True, kw_only=True)
class EventsSettings:
    """What is done with the events of a task.

    ``task_regressors`` and ``fir_length_s`` overrule what a strategy says of responses in its
    design. ``condition_means`` are over the volumes that the events of a condition fill,
    ``condition_delay_s`` later.
    """

    task_regressors: TaskRegressors | OfStrategy = field(default="strategy", repr=False)
    fir_length_s: float | OfStrategy = field(default="strategy", repr=False)
    condition_means: bool = False
    condition_delay_s: float | None = None
    beta_series: BetaSeries | None = None

    def __post_init__(self) -> None:
        _require(
            self.condition_means or self.condition_delay_s is None,
            "--condition-delay is of the means of conditions: give --condition-means, too.",
        )
        delay_s = self.delay_s
        _require(
            0 <= delay_s < math.inf,
            f"--condition-delay is a time in seconds from 0, not {delay_s}.",
        )

    @property
    def delay_s(self) -> float:
        """How much later than its events a condition shows in the BOLD signal."""
        return CONDITION_DELAY_S if self.condition_delay_s is None else self.condition_delay_s

    @property
    def any(self) -> bool:
        """Whether something is computed of events, besides what a strategy regresses."""
        return any(self.by_title.values())

    @property
    def by_title(self) -> dict[str, bool]:
        """What can be computed of events, and whether it is asked for."""
        return {
            "condition means": self.condition_means,
            "beta series": self.beta_series is not None,
        }

    def overrides(self) -> dict[str, Any]:
        """What the command line says of a strategy's own settings."""
        return {"task_regressors": self.task_regressors, "fir_length_s": self.fir_length_s}


@dataclass(frozen=True, kw_only=True)
class QualitySettings:
    """Limits of the verdict on a run, where they are not those of `bidsmask.numerics.verdict`.

    ``verdict_limits`` are names of measures with two limits each, from where on to look, and
    from where on not to use; ``"none"`` is no limit.
    """

    verdict_limits: tuple[tuple[str, NumberOrWord, NumberOrWord], ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, *_ in self.verdict_limits]
        _require_words("--verdict-limits", names, RULES)
        for name, look, do_not_use in self.verdict_limits:
            limits = [limit for limit in (look, do_not_use) if isinstance(limit, int | float)]
            _require(
                all(map(math.isfinite, limits)),
                f"--verdict-limits {name}: a limit is a number, or none.",
            )
            _require(
                len(limits) < 2 or not RULES[name].is_beyond(*limits),
                f"--verdict-limits {name}: worse is what is {RULES[name].worse}, so that the "
                f"second limit ({do_not_use}) cannot come before the first ({look}).",
            )

    @property
    def rules(self) -> dict[str, Rule]:
        """By which a run is judged."""
        return rules_with(
            (name, _limit(look), _limit(do_not_use))
            for name, look, do_not_use in self.verdict_limits
        )


def _limit(limit: NumberOrWord) -> float | None:
    return limit if isinstance(limit, int | float) else None


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """How results are written. Nothing here changes what is computed of a run."""

    censor_output: CensorOutput = "na"
    concatenate: bool = field(default=False, repr=False)
    cifti_outputs: bool = False


@dataclass(frozen=True, kw_only=True)
class GroupSettings:
    """What a group is made of, and what is made of it.

    ``exclude`` is one of `bidsmask.numerics.exclusion.PRESETS`; ``exclude_limits`` are names of
    measures with a limit each, beside or instead of those of the rule, and ``"none"`` takes one
    away. ``ratings`` and ``covariates`` are tables of runs and of participants. ``edges`` are
    columns of ``group_edges``, instead of networks; ``parquet`` is how that table is written.
    ``tangent`` asks for stacks of tangent space, too.
    ``shards`` are the number of a part of the stacks, from 1, and how many there are: then nothing
    else is written.
    """

    exclude: str = NONE
    exclude_limits: tuple[tuple[str, NumberOrWord], ...] = ()
    ratings: Path | None = None
    covariates: Path | None = None
    edges: bool = False
    parquet: bool = False
    tangent: bool = False
    shards: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _require_words("--exclude", (self.exclude,), PRESETS)
        _require_words("--exclude-limits", [name for name, _ in self.exclude_limits], MEASURABLE)
        of_rule = PRESETS[self.exclude].limits
        for name, limit in self.exclude_limits:
            _require(
                not isinstance(limit, int | float) or math.isfinite(limit),
                f"--exclude-limits {name}: a limit is a number, or none.",
            )
            _require(
                limit != "none" or name in of_rule,
                f"--exclude-limits {name}=none takes away a limit that --exclude {self.exclude} "
                f"does not have; it has {', '.join(of_rule) or 'none'}.",
            )
        if self.shards is not None:
            self._check_shards(*self.shards)

    def _check_shards(self, number: int, n_shards: int) -> None:
        _require(
            1 <= number <= n_shards,
            f"--shards is a part and how many there are, from 1/{n_shards} to "
            f"{n_shards}/{n_shards}, not {number}/{n_shards}.",
        )
        _require(
            self.given == ("--shards",),
            "--shards writes a part of the stacks and nothing else. Give other options of the "
            "group level to the command that joins the parts: the same without --shards.",
        )

    @property
    def limits(self) -> dict[str, dict[str, float]]:
        """Beyond which a run is excluded: by the rule, and by what was given beside it."""
        own = dict(self.exclude_limits)
        return {
            self.exclude: {
                name: limit
                for name, limit in PRESETS[self.exclude].limits.items()
                if name not in own
            },
            "--exclude-limits": {
                name: limit for name, limit in own.items() if isinstance(limit, int | float)
            },
        }

    @property
    def given(self) -> tuple[str, ...]:
        """Those of its options that are not as they are by default."""
        return tuple(
            f"--{item.name.replace('_', '-')}"
            for item in dataclasses.fields(self)
            if getattr(self, item.name) != item.default
        )


@dataclass(frozen=True, kw_only=True)
class ExecutionSettings:
    """Where and how to compute. Nothing here changes a number in the outputs."""

    work_dir: Path | None = None
    nprocs: int | None = None
    omp_nthreads: int = 1
    mem_gb: float | None = None
    plugin_file: Path | None = None
    bids_database_dir: Path | None = None
    download: bool = True
    stop_on_first_crash: bool = False
    clean_workdir: bool = False
    write_graph: bool = False
    resource_monitor: bool = False
    verbose: int = 0

    def __post_init__(self) -> None:
        _require(self.nprocs is None or self.nprocs > 0, "--nprocs must be 1 or more.")
        _require(self.omp_nthreads > 0, "--omp-nthreads must be 1 or more.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One invocation of bidsmask.

    Parameters
    ----------
    bids_dir : Path
        Derivatives dataset to read (fMRIPrep's output). Never written to.
    output_dir : Path
        Derivatives dataset to write.
    analysis_level : {"participant", "group"}
        One subject at a time, or all that have been done.
    datasets : tuple of (name, path)
        Further datasets, for atlases and for BIDS URIs.
    """

    bids_dir: Path
    output_dir: Path
    analysis_level: AnalysisLevel
    datasets: tuple[tuple[str, Path], ...] = ()
    selection: Selection = field(default_factory=Selection)
    extraction: ExtractionSettings = field(default_factory=ExtractionSettings)
    voxelwise: VoxelwiseSettings = field(default_factory=VoxelwiseSettings)
    coverage: CoverageSettings = field(default_factory=CoverageSettings)
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    connectivity: ConnectivitySettings = field(default_factory=ConnectivitySettings)
    events: EventsSettings = field(default_factory=EventsSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    group: GroupSettings = field(default_factory=GroupSettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)

    def __post_init__(self) -> None:
        _require(
            self.analysis_level == "group" or not self.group.given,
            f"{', '.join(self.group.given)}: of the group level, and without effect on single "
            "participants. Give it with group, when they are done.",
        )
        asks = self.atlases or self.extraction.seeds or self.voxelwise.without_sources
        _require(
            bool(asks) or self.analysis_level == "group",
            "--atlases none leaves nothing to extract: give an atlas, --seeds, --voxelwise, "
            "--alff or --reho.",
        )
        _require(
            bool(self.atlases or self.extraction.seeds) or not self.output.concatenate,
            "--concatenate joins time series: give an atlas, or --seeds.",
        )
        _require(
            bool(self.atlases or self.extraction.seeds) or self.extraction.voxel_scaling == "none",
            "--voxel-scaling is of voxels that are averaged: give an atlas, or --seeds.",
        )
        _require(
            bool(self.extraction.seeds) or not self.voxelwise.seed_maps,
            "--seed-maps are of seeds: give a table of them with --seeds.",
        )
        _require(
            not (self.voxelwise.reho and self.extraction.smoothing_fwhm_mm),
            "--reho compares neighbours, and --smoothing-fwhm makes neighbours alike before it "
            "could: ask for one of them, or each in a command of its own. "
            "(--voxelwise-smoothing-fwhm smooths a copy of the cleaned volumes only.)",
        )
        _require(
            bool(self.atlases or self.extraction.seeds) or not self.events.any,
            "--condition-means and --beta-series are of signals of regions: give an atlas, or "
            "--seeds.",
        )

    @property
    def atlases(self) -> tuple[str, ...]:
        """Atlases by name or path: what was asked for, else the default if nothing else was."""
        asked = self.extraction.atlases
        if asked:
            return () if asked == ("none",) else asked
        others = self.extraction.seeds or self.voxelwise.voxelwise
        return () if others else DEFAULT_ATLASES

    @property
    def work_dir(self) -> Path:
        """Where intermediate results go: ``-w``, or a hidden folder inside the output."""
        return self.execution.work_dir or self.output_dir / ".bidsmask" / "work"


SECTIONS: dict[str, type[Any]] = {
    "selection": Selection,
    "extraction": ExtractionSettings,
    "voxelwise": VoxelwiseSettings,
    "coverage": CoverageSettings,
    "cleaning": CleaningSettings,
    "connectivity": ConnectivitySettings,
    "events": EventsSettings,
    "quality": QualitySettings,
    "output": OutputSettings,
    "group": GroupSettings,
    "execution": ExecutionSettings,
}


def decided(section: Any) -> dict[str, Any]:
    """What a section says of numbers, by the names of its fields: those in its ``repr``."""
    return {
        item.name: getattr(section, item.name) for item in dataclasses.fields(section) if item.repr
    }


def to_toml(settings: Settings) -> str:
    """The settings as TOML; `read_toml` gives the same options back."""
    import tomli_w

    values = _plain(dataclasses.asdict(settings))
    values["selection"]["filters"] = json.dumps(settings.selection.filters)  # TOML has no null
    values["datasets"] = {name: str(path) for name, path in settings.datasets}
    return tomli_w.dumps(values)


def read_toml(path: Path) -> dict[str, Any]:
    """Options from a settings file, by the name of their field.

    Raises
    ------
    SettingsError
        If the file cannot be read, or holds a section or key that is not an option.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"{path}: cannot be read as a settings file (TOML): {error}"
        ) from error
    options: dict[str, Any] = {}
    for key, value in content.items():
        if key in SECTIONS:
            options |= _read_section(path, key, value)
        elif key == "datasets":
            options["datasets"] = tuple((name, Path(where)) for name, where in value.items())
        elif key not in ("bids_dir", "output_dir", "analysis_level"):
            raise SettingsError(
                f"{path}: unknown section [{key}].{did_you_mean(key, SECTIONS)} Sections are: "
                f"{', '.join(SECTIONS)}, datasets."
            )
    return options


def _read_section(path: Path, section: str, values: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(SECTIONS[section])
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise SettingsError(
            f"{path}: [{section}] has no option {', '.join(unknown)}."
            f"{did_you_mean(unknown[0], hints)} It has: {', '.join(hints)}."
        )
    return {
        key: _tuples(json.loads(value)) if key == "filters" else _typed(value, str(hints[key]))
        for key, value in values.items()
    }


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _typed(value: Any, hint: str) -> Any:
    if hint.startswith("tuple") and isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        return tuple(_typed(item, hint.removeprefix("tuple")) for item in value)
    return Path(value) if "Path" in hint else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise SettingsError(message)


def _require_words(option: str, given: Sequence[str], known: Collection[str]) -> None:
    """Refuse words that mean nothing, and words that are there twice."""
    for word in given:
        _require(
            word in known,
            f"{option} is of {', '.join(known)}, not {word!r}.{did_you_mean(word, known)}",
        )
        _require(given.count(word) == 1, f"{option} names {word!r} twice.")
