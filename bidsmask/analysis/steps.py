"""What the nodes of a run hand on to each other, as values that know how to be a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask._version import __version__
from bidsmask.analysis.plan import RunPlan
from bidsmask.analysis.rows import rows_for
from bidsmask.columns.extract import Extraction
from bidsmask.columns.regions import PlacedLabels, coverage_table, usable
from bidsmask.dataset.atlases import Atlas
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.strategies import Strategy
from bidsmask.derivatives.run import write_run
from bidsmask.derivatives.run_result import AtlasResult, RegionSignals, RunResult, StrategyResult
from bidsmask.errors import DegreesOfFreedomError
from bidsmask.numerics.cleaning import Cleaner, DegreesOfFreedom, overdrawn
from bidsmask.numerics.connectivity import MEASURES
from bidsmask.numerics.quality import correlation, fd_summary


class _Savable(Protocol):
    def save(self, path: Path) -> None: ...


def save_all(values: Iterable[_Savable], folder: Path, stem: str) -> list[str]:
    """Save each value as ``<stem>_<number>.npz``; give the paths."""
    paths = []
    for number, value in enumerate(values):
        paths.append(str(folder / f"{stem}_{number}.npz"))
        value.save(Path(paths[-1]))
    return paths


@dataclass(frozen=True, kw_only=True, eq=False)
class ExtractedRun:
    """What one pass over a BOLD run gave.

    Attributes
    ----------
    signals : tuple of arrays of shape (T, P)
        Region means, one array for each atlas.
    mean, std : arrays of shape (V,)
        Of every voxel of the mask, over time.
    dvars, global_mean : arrays of shape (T,)
        Over the mask; ``dvars[0]`` is NaN.
    carpet : array of shape (T, K)
        Voxels to draw; `carpet_labels` (K,) are their labels in the first atlas.
    """

    signals: tuple[FloatArray, ...]
    mean: FloatArray
    std: FloatArray
    dvars: FloatArray
    global_mean: FloatArray
    carpet: FloatArray
    carpet_labels: IntArray
    n_nonfinite: int

    @classmethod
    def from_extraction(cls, extraction: Extraction, carpet_labels: IntArray) -> Self:
        """Keep what later nodes need; the last projection is the carpet."""
        statistics = extraction.statistics
        return cls(
            signals=extraction.signals[:-1],
            mean=statistics.mean,
            std=statistics.std,
            dvars=statistics.dvars,
            global_mean=statistics.global_mean,
            carpet=extraction.signals[-1],
            carpet_labels=carpet_labels,
            n_nonfinite=int(extraction.n_nonfinite_voxels),
        )

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        _savez(path, self)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        values = _load(path)
        return cls(**values | {"n_nonfinite": int(values["n_nonfinite"])})


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """The coverage table of one atlas on one run."""

    table: pd.DataFrame

    @property
    def usable(self) -> BoolArray:
        """Which regions have a signal, of shape (P,)."""
        return usable(self.table)

    def save(self, path: Path) -> None:
        """Write as ``.npz``, so that numbers come back as they were."""
        np.savez(
            path,
            allow_pickle=False,
            **{name: self._column(name) for name in self.table.columns},
        )

    def _column(self, name: str) -> Array:
        values = self.table[name].to_numpy()
        return values if values.dtype.kind in "if" else values.astype(str)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(table=pd.DataFrame({name: file[name] for name in file.files}))


@dataclass(frozen=True, kw_only=True, eq=False)
class CleanedRun:
    """A run cleaned with one strategy.

    Attributes
    ----------
    signals : tuple of arrays of shape (T_kept, P)
        One array for each atlas; the column of a region without a signal is NaN.
    sample_mask : bool array of shape (T,)
        The volumes that `signals` has rows for.
    ledger : DegreesOfFreedom
        Where the volumes went.
    carpet : array of shape (T_kept, K)
        The carpet's voxels, cleaned in the same way.
    """

    signals: tuple[FloatArray, ...]
    sample_mask: BoolArray
    ledger: DegreesOfFreedom
    carpet: FloatArray

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        _savez(path, self, ledger=np.array([float(x) for x in asdict(self.ledger).values()]))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        values = _load(path)
        names = [field.name for field in fields(DegreesOfFreedom)]
        numbers = [int(x) if float(x).is_integer() else float(x) for x in values["ledger"]]
        ledger = DegreesOfFreedom(**dict(zip(names, numbers, strict=True)))  # type: ignore[arg-type]
        return cls(**values | {"ledger": ledger})

    def rows_for(self, columns: FloatArray, how: str) -> FloatArray:
        """Columns of the kept volumes as the output wants them.

        Parameters
        ----------
        columns : array of shape (T_kept, P)
        how : {"na", "interpolate", "drop"}
            One row for each BOLD volume, those of censored volumes NaN or on a cubic spline
            through the kept ones (NaN before the first and after the last of them); or kept
            volumes only.
        """
        return rows_for(columns, self.sample_mask, how)


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrices:
    """Connectivity of one strategy: for each measure, one (P, P) matrix per atlas."""

    by_measure: Mapping[str, tuple[FloatArray, ...]]

    @classmethod
    def of(cls, cleaned: CleanedRun, measures: Sequence[str]) -> Self:
        """Compute each measure on the kept volumes."""
        return cls(
            by_measure={
                name: tuple(MEASURES[name].function(signals) for signals in cleaned.signals)
                for name in measures
            }
        )

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        np.savez(
            path,
            allow_pickle=False,
            **{
                f"{name}/{number}": matrix
                for name, matrices in self.by_measure.items()
                for number, matrix in enumerate(matrices)
            },
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        by_measure: dict[str, tuple[FloatArray, ...]] = {}
        with np.load(path, allow_pickle=False) as file:
            for key in file.files:
                name = key.split("/")[0]
                by_measure[name] = (*by_measure.get(name, ()), file[key])
        return cls(by_measure=by_measure)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunValues:
    """All that is known of a run once its nodes have run."""

    extracted: ExtractedRun
    placed: tuple[PlacedLabels, ...]
    confounds: tuple[Confounds, ...]
    coverage: tuple[Coverage, ...]
    cleaned: tuple[CleanedRun, ...]
    matrices: tuple[Matrices, ...]


def gather(inputs: Any) -> RunValues:
    """Load the files that a node was given."""
    return RunValues(
        extracted=ExtractedRun.load(Path(inputs.extracted_file)),
        placed=tuple(PlacedLabels.load(Path(file)) for file in inputs.placed_files),
        confounds=tuple(Confounds.load(Path(file)) for file in inputs.confounds_files),
        coverage=tuple(Coverage.load(Path(file)) for file in inputs.coverage_files),
        cleaned=tuple(CleanedRun.load(Path(file)) for file in inputs.cleaned_files),
        matrices=tuple(Matrices.load(Path(file)) for file in inputs.matrices_files),
    )


def coverage_tables(
    extracted: ExtractedRun,
    placed: Sequence[PlacedLabels],
    atlases: Sequence[Atlas],
    *,
    min_coverage: float,
) -> list[Coverage]:
    """For each atlas, which regions have a signal, and why the others have none."""
    return [
        Coverage(
            table=coverage_table(place, atlas.lut, signals=signals, min_coverage=min_coverage)
        )
        for signals, place, atlas in zip(extracted.signals, placed, atlases, strict=True)
    ]


def clean_run(
    extracted: ExtractedRun,
    coverage: Sequence[Coverage],
    confounds: Sequence[Confounds],
    strategies: Sequence[Strategy],
    *,
    t_r: float,
) -> list[CleanedRun]:
    """Clean the signals of every atlas with every strategy."""
    signals = [
        np.where(table.usable, raw, np.nan)
        for raw, table in zip(extracted.signals, coverage, strict=True)
    ]
    return [
        _clean(signals, extracted.carpet, loaded, strategy, t_r=t_r)
        for loaded, strategy in zip(confounds, strategies, strict=True)
    ]


def _clean(
    signals: Sequence[FloatArray],
    carpet: FloatArray,
    confounds: Confounds,
    strategy: Strategy,
    *,
    t_r: float,
) -> CleanedRun:
    try:
        cleaner = Cleaner(
            strategy.cleaning, t_r=t_r, sample_mask=confounds.sample_mask, design=confounds.design
        )
    except DegreesOfFreedomError as error:
        raise DegreesOfFreedomError(f"Strategy {strategy.name}: {error}") from error
    return CleanedRun(
        signals=tuple(cleaner(columns) for columns in signals),
        sample_mask=cleaner.sample_mask,
        ledger=cleaner.ledger,
        carpet=cleaner(carpet),
    )


def write_derivatives(
    values: RunValues, plan: RunPlan, output_dir: Path, links: Mapping[str, str]
) -> tuple[Path, ...]:
    """Write every file of the run under its final name."""
    return write_run(
        run_result(values, plan),
        output_dir,
        links=links,
        digest=plan.digest,
        settings=plan.decisive,
    )


def run_result(values: RunValues, plan: RunPlan) -> RunResult:
    """The run as the derivatives' writer wants it."""
    return RunResult(
        run=plan.run,
        t_r=plan.t_r,
        grid=values.placed[0].grid,
        statistic=plan.statistic,
        smoothing_fwhm_mm=plan.smoothing_fwhm_mm,
        min_coverage=plan.min_coverage,
        censor_output=plan.censor_output,
        strategies=tuple(
            StrategyResult(
                strategy=strategy,
                confounds=confounds,
                ledger=cleaned.ledger,
                sample_mask=cleaned.sample_mask,
            )
            for strategy, confounds, cleaned in zip(
                plan.strategies, values.confounds, values.cleaned, strict=True
            )
        ),
        atlases=tuple(_atlas_result(values, plan, number) for number in range(len(plan.atlases))),
        quality=run_quality(values),
        version=__version__,
        warnings=run_warnings(values, plan),
    )


def _atlas_result(values: RunValues, plan: RunPlan, number: int) -> AtlasResult:
    return AtlasResult(
        atlas=plan.atlases[number],
        placed=values.placed[number],
        coverage=values.coverage[number].table,
        by_strategy=tuple(
            RegionSignals(
                signals=cleaned.rows_for(cleaned.signals[number], plan.censor_output).astype(
                    np.float32
                ),
                matrices=tuple(
                    (name, matrices.by_measure[name][number]) for name in plan.measures
                ),
            )
            for cleaned, matrices in zip(values.cleaned, values.matrices, strict=True)
        ),
    )


def run_warnings(values: RunValues, plan: RunPlan) -> tuple[str, ...]:
    """What is odd about the run itself, and about what is left of it."""
    warnings = [*plan.run.warnings]
    if values.extracted.n_nonfinite:
        warnings.append(
            f"{plan.run.bold.name}: up to {values.extracted.n_nonfinite} voxels of the brain mask "
            "are NaN or infinite in a volume; they are left out of the means."
        )
    for confounds, cleaned in zip(values.confounds, values.cleaned, strict=True):
        if cleaned.ledger.remaining <= 0:
            warnings.append(f"{confounds.strategy}: {overdrawn(cleaned.ledger)}")
    return tuple(warnings)


def run_quality(values: RunValues) -> dict[str, float]:
    """Numbers that say how good the run is, before any cleaning.

    ``mean_fd`` and ``max_fd`` in mm; ``mean_dvars`` in units of the BOLD signal; ``median_tsnr``
    over the voxels of the mask; ``fd_dvars_correlation`` Pearson's r; NaN where the run has no
    framewise displacement.
    """
    extracted, confounds = values.extracted, values.confounds[0]
    fd = confounds.fd_mm if confounds.fd_mm is not None else np.full(extracted.dvars.size, np.nan)
    motion = fd_summary(fd)
    varying = extracted.std > 0
    tsnr = extracted.mean[varying] / extracted.std[varying]
    return {
        "mean_fd": motion.mean_mm,
        "max_fd": motion.max_mm,
        "mean_dvars": float(np.nanmean(extracted.dvars)),
        "median_tsnr": float(np.median(tsnr)),
        "fd_dvars_correlation": correlation(fd, extracted.dvars),
        "n_voxels": float(extracted.mean.size),
        "n_nonfinite_voxels": float(extracted.n_nonfinite),
    }


def _savez(path: Path, value: Any, **replaced: Array) -> None:
    arrays: dict[str, Array] = {}
    for field in fields(value):
        content = replaced.get(field.name, getattr(value, field.name))
        if isinstance(content, tuple):
            arrays |= {f"{field.name}/{number}": item for number, item in enumerate(content)}
        else:
            arrays[field.name] = np.asarray(content)
    np.savez(path, allow_pickle=False, **arrays)


def _load(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            name, slash, _ = key.partition("/")
            if slash:
                values[name] = (*values.get(name, ()), file[key])
            else:
                values[name] = file[key]
    return values
