"""What the nodes of a run hand on to each other: values that know how to be a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import pandas as pd

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.analysis.kinds import Source, kind_of
from bidsmask.analysis.rows import rows_for
from bidsmask.analysis.task_results import TaskResults
from bidsmask.columns.base import Columns
from bidsmask.columns.statistics import RunStatistics
from bidsmask.dataset.confounds import Confounds
from bidsmask.dataset.strategies import Strategy
from bidsmask.images.grayordinates import Lattice, lattice_of
from bidsmask.numerics.connectivity.measures import Relation
from bidsmask.numerics.freedom import DegreesOfFreedom
from bidsmask.reports.summaries import LostPart
from bidsmask.vocabulary import Bridge, CensorOutput

Signals = tuple[tuple[FloatArray, ...], ...]
"""Arrays of shape (T, P): for each atlas one for each of its statistics."""


class _Savable(Protocol):
    def save(self, path: Path) -> None: ...

    @classmethod
    def load(cls, path: Path) -> Self: ...


S = TypeVar("S", bound=_Savable)
R = TypeVar("R", "ExtractedRun", "CleanedRun")


def save_all(values: Iterable[_Savable | LostPart], folder: Path, stem: str) -> list[str]:
    """Save each value, or why there is none, as ``<stem>_<number>.npz``; give the paths."""
    paths = []
    for number, value in enumerate(values):
        paths.append(str(folder / f"{stem}_{number}.npz"))
        if isinstance(value, LostPart):
            np.savez(paths[-1], allow_pickle=False, lost=_as_text(value))
        else:
            value.save(Path(paths[-1]))
    return paths


def load_part(kind: type[S], path: str | Path) -> S | LostPart:
    """Read a value that `save_all` wrote, or why there is none."""
    with np.load(path, allow_pickle=False) as file:
        if "lost" in file.files:
            return _from_text(file["lost"])
    return kind.load(Path(path))


def _as_text(part: LostPart) -> Array:
    return np.array(json.dumps(part.to_json()))


def _from_text(text: Array) -> LostPart:
    return LostPart.from_json(json.loads(str(text)))


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedSources:
    """Columns of the sources of a run, on its grid and inside its mask.

    Attributes
    ----------
    mask : bool array of shape (X, Y, Z), or (V,) on surfaces
    grid : Grid or Grayordinates
    numbers : tuple of int
        Which of the sources that were asked for these are, counted from 0.
    columns : tuple of Columns
        One for each of those.
    lost : tuple of LostPart
        The others.
    warnings : tuple of str
        What is odd about the mask, or about those that can be used.
    """

    mask: BoolArray
    grid: Lattice
    numbers: tuple[int, ...]
    columns: tuple[Columns, ...]
    lost: tuple[LostPart, ...] = ()
    warnings: tuple[str, ...] = ()

    def of(self, sources: Sequence[Source]) -> tuple[Source, ...]:
        """Choose those sources that have columns here."""
        return tuple(sources[number] for number in self.numbers)

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        arrays = {
            f"columns/{number}/{name}": array
            for number, columns in zip(self.numbers, self.columns, strict=True)
            for name, array in columns.arrays().items()
        }
        np.savez(
            path,
            allow_pickle=False,
            mask=self.mask,
            **{f"grid/{name}": array for name, array in self.grid.arrays().items()},
            numbers=np.array(self.numbers, dtype=np.intp),
            lost=np.array([_as_text(part) for part in self.lost], dtype=str),
            warnings=np.array(self.warnings, dtype=str),
            **arrays,
        )

    @classmethod
    def load(cls, path: Path, sources: Sequence[Source]) -> Self:
        """Read what `save` wrote of these sources."""
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        grid = lattice_of(_below("grid/", arrays))
        numbers = tuple(arrays["numbers"].tolist())
        return cls(
            mask=arrays["mask"],
            grid=grid,
            numbers=numbers,
            columns=tuple(
                kind_of(sources[number]).columns.from_arrays(
                    grid, _below(f"columns/{number}/", arrays)
                )
                for number in numbers
            ),
            lost=tuple(map(_from_text, arrays["lost"])),
            warnings=tuple(arrays["warnings"].tolist()),
        )


def _below(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    found = {name for name in arrays if name.startswith(prefix)}
    return {name.removeprefix(prefix): arrays[name] for name in found}


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
        Over the voxels that are `measured`; ``dvars[0]`` is NaN.
    carpet : array of shape (T, K)
        Measured voxels to draw; `carpet_labels` (K,) are their labels in the first atlas.
    nonfinite : bool array of shape (V,)
        Voxels of the mask that are NaN or infinite in at least one volume.
    covered : bool array of shape (V,)
        Voxels of the mask that are finite in every volume, and not constant; empty unless all
        voxels were read.
    """

    signals: Signals
    mean: FloatArray
    std: FloatArray
    dvars: FloatArray
    global_mean: FloatArray
    carpet: FloatArray
    carpet_labels: IntArray
    nonfinite: BoolArray
    covered: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    @property
    def measured(self) -> BoolArray:
        """Which voxels of the mask (V,) are finite in every volume, and change."""
        return ~self.nonfinite & (self.std > 0)

    @classmethod
    def of(
        cls,
        seen: RunStatistics,
        signals: Signals,
        carpet: FloatArray,
        carpet_labels: IntArray,
        covered: BoolArray,
    ) -> Self:
        """Keep what later nodes need of a run, and its columns by what they are."""
        statistics, of_covered = seen.volumes, seen.of_covered()
        return cls(
            signals=signals,
            mean=statistics.mean,
            std=statistics.std,
            dvars=of_covered.dvars,
            global_mean=of_covered.global_mean,
            carpet=carpet,
            carpet_labels=carpet_labels,
            nonfinite=seen.nonfinite,
            covered=covered,
        )

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        _savez(path, self)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls(**{"signals": ()} | _load(path))


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """The coverage table of one atlas on one run."""

    table: pd.DataFrame

    @property
    def usable(self) -> BoolArray:
        """Which columns have a signal, of shape (P,)."""
        usable: BoolArray = self.table["status"].isin(["ok", "partial"]).to_numpy(dtype=bool)
        return usable

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
    collinear : int array
        Columns of the design, from 0, that explained nothing; see `Cleaner`.
    response : array of shape (F,)
        Share of the variance of waves that came through, from 0 Hz to the Nyquist frequency.
    carpet : array of shape (T_kept, K)
        The carpet's voxels, cleaned in the same way, but in the unit of the images.
    quality : mapping from name to number
        What cleaning did to the run; see `bidsmask.analysis.quality.cleaning_quality`.
    """

    signals: Signals
    sample_mask: BoolArray
    ledger: DegreesOfFreedom
    collinear: IntArray
    response: FloatArray
    carpet: FloatArray
    quality: Mapping[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        ledger = np.array([float(x) for x in asdict(self.ledger).values()])
        _savez(path, self, ledger=ledger, quality=np.array(json.dumps(self.quality)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        values = {"signals": ()} | _load(path)
        names = [field.name for field in fields(DegreesOfFreedom)]
        numbers = [int(x) if float(x).is_integer() else float(x) for x in values["ledger"]]
        ledger = DegreesOfFreedom(**dict(zip(names, numbers, strict=True)))  # type: ignore[arg-type]
        return cls(**values | {"ledger": ledger, "quality": json.loads(str(values["quality"]))})

    def rows_for(
        self, columns: FloatArray, how: CensorOutput, bridge: Bridge = "linear"
    ) -> FloatArray:
        """Columns of the kept volumes as the output wants them: see `bidsmask.analysis.rows`."""
        return rows_for(columns, self.sample_mask, how, bridge)


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrices:
    """Connectivity of one strategy: for each measure, one relation per atlas.

    In place of one that cannot be computed stands why. Those of volumes that were drawn are in
    `drawn`, under the label of their length.
    """

    by_measure: Mapping[str, tuple[Relation | LostPart, ...]]
    drawn: Mapping[str, Mapping[str, tuple[Relation | LostPart, ...]]] = field(
        default_factory=dict
    )

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        arrays = {
            key: array
            for length, by_measure in {"all": self.by_measure, **self.drawn}.items()
            for name, relations in by_measure.items()
            for key, array in _flat(f"{length}/{name}", tuple(map(_arrays, relations)))
        }
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        found: dict[str, dict[str, tuple[Relation | LostPart, ...]]] = {"all": {}}
        for length, by_measure in _load(path, depth=2).items():
            found[length] = {
                name: tuple(_relation(*arrays) for arrays in relations)
                for name, relations in by_measure.items()
            }
        return cls(by_measure=found.pop("all"), drawn=found)


def _arrays(each: Relation | LostPart) -> tuple[Array, ...]:
    if isinstance(each, LostPart):
        return (_as_text(each),)
    return each.matrix, np.array(json.dumps(dict(each.found)))


def _relation(what: Array, found: Array | None = None) -> Relation | LostPart:
    """Undo `_arrays`."""
    if found is None:
        return _from_text(what)
    return Relation(matrix=what, found=json.loads(str(found)))


@dataclass(frozen=True, kw_only=True, eq=False)
class SeedMaps:
    """Some of the maps of seeds, to be drawn.

    Attributes
    ----------
    strategies, sources, seeds : int arrays of shape (M,)
        Whose each map is, counted from 0: among the strategies, the sources that could be
        placed, and the seeds of that one.
    values : array of shape (M, V)
        Of every voxel of the mask.
    """

    strategies: IntArray
    sources: IntArray
    seeds: IntArray
    values: FloatArray

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        _savez(path, self)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls(**_load(path))


@dataclass(frozen=True, kw_only=True, eq=False)
class RunValues:
    """All that is known of a run once its nodes have run.

    Attributes
    ----------
    sources : tuple of Source
        Those that could be placed; all that is there for each source is in their order.
    strategies : tuple of Strategy
        Those that could be carried out; all that is there for each strategy is in their order.
    fd_mm : array of shape (T,), or None
        Framewise displacement, where the run has one: whatever became of the strategies. It is
        of the first whose confounds are there.
    fd_kind : str
        Which framewise displacement that is.
    displacements : mapping from kind to array of shape (T,)
        That of Power and that of Jenkinson, for rules of exclusion; see `Confounds`.
    matrices, seed_maps, task
        None, where they are not asked for, or not known yet.
    lost : tuple of LostPart
        Sources, strategies and measures that were asked for, and why they are n/a.
    """

    extracted: ExtractedRun
    placed: PlacedSources
    sources: tuple[Source, ...]
    strategies: tuple[Strategy, ...]
    fd_mm: FloatArray | None
    fd_kind: str
    confounds: tuple[Confounds, ...]
    coverage: tuple[Coverage, ...]
    cleaned: tuple[CleanedRun, ...]
    matrices: tuple[Matrices, ...] = ()
    seed_maps: SeedMaps | None = None
    task: tuple[TaskResults, ...] = ()
    lost: tuple[LostPart, ...] = ()
    displacements: Mapping[str, FloatArray] = field(default_factory=dict)

    def without_carpets(self) -> Self:
        """Leave out what is only drawn: 9 MB of 1200 volumes, and as many of each strategy."""
        return replace(
            self,
            extracted=_without_carpet(self.extracted),
            cleaned=tuple(map(_without_carpet, self.cleaned)),
        )


def _without_carpet(run: R) -> R:
    return replace(run, carpet=np.empty((len(run.carpet), 0)))


def gather(inputs: Any) -> RunValues:
    """Load the files that a node was given, and its plan."""
    given, plan = inputs.trait_get(), inputs.plan
    placed = PlacedSources.load(Path(inputs.placed_file), plan.sources)
    sources = placed.of(plan.sources)
    cleaned = [load_part(CleanedRun, file) for file in inputs.cleaned_files]
    done = [number for number, each in enumerate(cleaned) if isinstance(each, CleanedRun)]
    loaded = [load_part(Confounds, file) for file in inputs.confounds_files]
    confounds = {n: each for n, each in enumerate(loaded) if isinstance(each, Confounds)}
    first = min(confounds)
    strategies = tuple(plan.strategies[number] for number in done)
    files = given.get("matrices_files")
    matrices = tuple(Matrices.load(Path(file)) for file in _of(done, files))
    return RunValues(
        extracted=ExtractedRun.load(Path(inputs.extracted_file)),
        placed=placed,
        sources=sources,
        strategies=strategies,
        fd_mm=confounds[first].fd_mm,
        fd_kind=plan.strategies[first].censoring.in_words,
        displacements=confounds[first].displacements,
        confounds=tuple(confounds[number] for number in done),
        coverage=tuple(Coverage.load(Path(file)) for file in inputs.coverage_files),
        cleaned=tuple(each for each in cleaned if isinstance(each, CleanedRun)),
        matrices=matrices,
        task=tuple(TaskResults.load(Path(file)) for file in _of(done, given.get("task_files"))),
        seed_maps=SeedMaps.load(Path(file)) if (file := given.get("seed_maps_file")) else None,
        lost=(
            *plan.lost,
            *placed.lost,
            *(each for each in cleaned if isinstance(each, LostPart)),
            *_lost_measures(matrices, sources, strategies),
        ),
    )


def _of(numbers: Sequence[int], files: Sequence[str] | None) -> list[str]:
    """Choose the files of these strategies, if there are any at all."""
    return [files[number] for number in numbers] if files else []


def _lost_measures(
    matrices: Sequence[Matrices], sources: Sequence[Source], strategies: Sequence[Strategy]
) -> Iterator[LostPart]:
    """Tell which measures could not be computed, and of what."""
    for of_strategy, strategy in zip(matrices, strategies, strict=False):
        computed = [of_strategy.by_measure, *of_strategy.drawn.values()]
        for found in (found for by_measure in computed for found in by_measure.values()):
            for each, source in zip(found, sources, strict=True):
                if isinstance(each, LostPart):
                    yield replace(each, name=f"{each.name} of {source.name}, {strategy.name}")


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


def _load(path: Path, depth: int = 1) -> dict[str, Any]:
    """Read arrays, and nest them as `_flat` found them, below `depth` names."""
    tree: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            *branches, leaf = key.split("/")
            branch = tree
            for name in branches:
                branch = branch.setdefault(name, {})
            branch[leaf] = file[key]
    named: dict[str, Any] = _nested(tree, depth)
    return named


def _nested(content: Any, depth: int) -> Any:
    if not isinstance(content, dict):
        return content
    if depth:
        return {name: _nested(each, depth - 1) for name, each in content.items()}
    return tuple(_nested(each, 0) for each in content.values())
