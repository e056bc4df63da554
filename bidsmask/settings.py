"""What a user asked for, as frozen values: made once, passed along, never global.

The settings of one invocation can be written as TOML (``logs/.../bidsmask.toml``) and read back
(``--config-file``). Every field has the name of its command-line option.

Where a confound strategy brings a default of its own (filter, censoring, ...), the word
``"strategy"`` means "as the strategy was published", ``"none"`` means "not done".
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from bidsmask.dataset.selection import Selection
from bidsmask.errors import SettingsError

DEFAULT_ATLASES = ("Schaefer2018_seg-7n_scale-400",)
DEFAULT_STRATEGIES = ("simple",)

OfStrategy = Literal["strategy"]
NumberOrNone = float | Literal["none", "strategy"]
AnalysisLevel = Literal["participant", "group"]
Statistic = Literal["mean", "median"]
CensorOutput = Literal["na", "drop", "interpolate"]

_CUTOFFS = ("high_pass_hz", "low_pass_hz", "fd_threshold_mm", "std_dvars_threshold")


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings:
    """Which regions, what is taken of them, and how much of one must have been seen."""

    atlases: tuple[str, ...] = DEFAULT_ATLASES
    statistic: Statistic = "mean"
    smoothing_fwhm_mm: float = 0.0
    min_coverage: float = 0.5

    def __post_init__(self) -> None:
        _require(bool(self.atlases), "--atlases needs at least one atlas.")
        _require(
            0 <= self.min_coverage <= 1,
            f"--min-coverage is a share between 0 and 1, not {self.min_coverage}.",
        )
        _require(
            0 <= self.smoothing_fwhm_mm < math.inf,
            f"--smoothing-fwhm is a width in mm from 0 (no smoothing), not "
            f"{self.smoothing_fwhm_mm}.",
        )
        _require(
            self.statistic in get_args(Statistic),
            f"--statistic is one of {', '.join(get_args(Statistic))}, not {self.statistic!r}.",
        )


@dataclass(frozen=True, kw_only=True)
class CleaningSettings:
    """Confound strategies, and what the command line changes in them."""

    strategies: tuple[str, ...] = DEFAULT_STRATEGIES
    detrend: bool | OfStrategy = "strategy"
    filter: Literal["butterworth", "cosine", "none", "strategy"] = "strategy"
    high_pass_hz: NumberOrNone = "strategy"
    low_pass_hz: NumberOrNone = "strategy"
    standardize: Literal["zscore", "psc", "none", "strategy"] = "strategy"
    fd_threshold_mm: NumberOrNone = "strategy"
    std_dvars_threshold: NumberOrNone = "strategy"
    min_segment_volumes: int | OfStrategy = "strategy"
    dummy_scans: int | Literal["auto", "strategy"] = "strategy"
    censor_output: CensorOutput = "na"

    def __post_init__(self) -> None:
        _require(bool(self.strategies), "--strategies needs at least one strategy.")
        for name in _CUTOFFS:
            value = getattr(self, name)
            if isinstance(value, int | float):
                _require(value > 0, f"{name} must be above zero, not {value}; 'none' is off.")

    def overrides(self) -> dict[str, Any]:
        """What the command line says of a strategy's own settings."""
        values = dataclasses.asdict(self)
        del values["strategies"], values["censor_output"]
        return values | {key: None for key in _CUTOFFS if values[key] == "none"}


@dataclass(frozen=True, kw_only=True)
class ConnectivitySettings:
    """Which region-by-region matrices to compute."""

    connectivity: tuple[str, ...] = ("correlation",)


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
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    connectivity: ConnectivitySettings = field(default_factory=ConnectivitySettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)

    @property
    def work_dir(self) -> Path:
        """Where intermediate results go: ``-w``, or a hidden folder inside the output."""
        return self.execution.work_dir or self.output_dir / ".bidsmask" / "work"


SECTIONS: dict[str, type[Any]] = {
    "selection": Selection,
    "extraction": ExtractionSettings,
    "cleaning": CleaningSettings,
    "connectivity": ConnectivitySettings,
    "execution": ExecutionSettings,
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
                f"{path}: unknown section [{key}]. Sections are: {', '.join(SECTIONS)}, datasets."
            )
    return options


def _read_section(path: Path, section: str, values: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(SECTIONS[section])
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise SettingsError(
            f"{path}: [{section}] has no option {', '.join(unknown)}. It has: {', '.join(hints)}."
        )
    return {
        key: _tuples(json.loads(value)) if key == "filters" else _typed(value, str(hints[key]))
        for key, value in values.items()
    }


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _typed(value: Any, hint: str) -> Any:
    if isinstance(value, list):
        return tuple(_typed(item, "") for item in value)
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
