"""What the nodes of a run hand on to each other: values that know how to be a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.analysis.rows import rows_for
from bidsmask.columns.extract import Extraction
from bidsmask.columns.regions import PlacedLabels, usable
from bidsmask.dataset.confounds import Confounds
from bidsmask.numerics.cleaning import DegreesOfFreedom
from bidsmask.vocabulary import CensorOutput

Signals = tuple[tuple[FloatArray, ...], ...]
"""Arrays of shape (T, P): for each atlas one for each of its statistics."""


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
    signals : tuple of tuples of arrays of shape (T, P)
        For each atlas one array for each statistic.
    mean, std : arrays of shape (V,)
        Of every voxel of the mask, over time.
    dvars, global_mean : arrays of shape (T,)
        Over the mask; ``dvars[0]`` is NaN.
    carpet : array of shape (T, K)
        Voxels to draw; `carpet_labels` (K,) are their labels in the first atlas.
    """

    signals: Signals
    mean: FloatArray
    std: FloatArray
    dvars: FloatArray
    global_mean: FloatArray
    carpet: FloatArray
    carpet_labels: IntArray
    n_nonfinite: int

    @classmethod
    def of(
        cls, extraction: Extraction, signals: Signals, carpet: FloatArray, carpet_labels: IntArray
    ) -> Self:
        """Keep what later nodes need of an extraction, and its columns by what they are."""
        statistics = extraction.statistics
        return cls(
            signals=signals,
            mean=statistics.mean,
            std=statistics.std,
            dvars=statistics.dvars,
            global_mean=statistics.global_mean,
            carpet=carpet,
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

    @property
    def names(self) -> list[str]:
        """Names of the regions, in the order of their columns."""
        return [str(name) for name in self.table["Node"]]

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
    signals : tuple of tuples of arrays of shape (T_kept, P)
        For each atlas one array for each statistic; the column of a region without a signal is
        NaN.
    sample_mask : bool array of shape (T,)
        The volumes that `signals` has rows for.
    ledger : DegreesOfFreedom
        Where the volumes went.
    carpet : array of shape (T_kept, K)
        The carpet's voxels, cleaned in the same way.
    """

    signals: Signals
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

    def rows_for(self, columns: FloatArray, how: CensorOutput) -> FloatArray:
        """Columns of the kept volumes as the output wants them: see `bidsmask.analysis.rows`."""
        return rows_for(columns, self.sample_mask, how)


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrices:
    """Connectivity of one strategy: for each measure, one (P, P) matrix per atlas."""

    by_measure: Mapping[str, tuple[FloatArray, ...]]

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        arrays = {
            key: matrix
            for name, matrices in self.by_measure.items()
            for key, matrix in _flat(name, matrices)
        }
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls(by_measure=_load(path))


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


def _savez(path: Path, value: Any, **replaced: Array) -> None:
    arrays = {
        key: item
        for field in fields(value)
        for key, item in _flat(field.name, replaced.get(field.name, getattr(value, field.name)))
    }
    np.savez(path, allow_pickle=False, **arrays)


def _flat(name: str, content: Any) -> Iterator[tuple[str, Array]]:
    """Name the arrays of nested tuples by their places: ``signals/0/1``."""
    if isinstance(content, tuple):
        for number, item in enumerate(content):
            yield from _flat(f"{name}/{number}", item)
    else:
        yield name, np.asarray(content)


def _load(path: Path) -> dict[str, Any]:
    """Read arrays, and nest them as `_flat` found them."""
    tree: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            *branches, leaf = key.split("/")
            branch = tree
            for name in branches:
                branch = branch.setdefault(name, {})
            branch[leaf] = file[key]
    return {name: _nested(content) for name, content in tree.items()}


def _nested(content: Any) -> Any:
    return tuple(map(_nested, content.values())) if isinstance(content, dict) else content
