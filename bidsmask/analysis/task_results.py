"""What the events of a run say of its regions: values that know how to be a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from bidsmask._typing import FloatArray, IntArray
from bidsmask.dataset.listing import some_of


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskResults:
    """What the events of a run say under one strategy.

    Attributes
    ----------
    conditions : tuple of K str
    n_volumes : int array of shape (K,)
        Kept volumes that each condition fills.
    means : tuple of arrays of shape (K, P)
        For each atlas, over these volumes; NaN where there are none. Empty if not asked for.
    amplitudes : tuple of arrays of shape (E, P)
        For each atlas, of each trial, in the unit of the signals; NaN of a trial that cannot be
        estimated. Empty if not asked for.
    """

    conditions: tuple[str, ...]
    n_volumes: IntArray
    means: tuple[FloatArray, ...] = ()
    amplitudes: tuple[FloatArray, ...] = ()

    def save(self, path: Path) -> None:
        """Write as ``.npz``."""
        arrays = {
            f"{name}/{number}": array
            for name in ("means", "amplitudes")
            for number, array in enumerate(getattr(self, name))
        }
        names = np.array(self.conditions, dtype=np.str_)
        np.savez(path, allow_pickle=False, conditions=names, n_volumes=self.n_volumes, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        means, amplitudes = (
            tuple(array for key, array in arrays.items() if key.startswith(f"{name}/"))
            for name in ("means", "amplitudes")
        )
        return cls(
            conditions=tuple(arrays["conditions"].tolist()),
            n_volumes=arrays["n_volumes"],
            means=means,
            amplitudes=amplitudes,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is n/a although it was asked for."""
        empty = [repr(self.conditions[number]) for number in np.flatnonzero(self.n_volumes == 0)]
        found = []
        if self.means and empty:
            found.append(f"no kept volume of condition {', '.join(empty)}: its means are n/a.")
        lost = np.isnan(np.hstack(self.amplitudes)).all(axis=1) if self.amplitudes else np.zeros(0)
        if lost.any():
            rows = [str(row + 1) for row in np.flatnonzero(lost)]
            found.append(
                f"{len(rows)} of {lost.size} trials have no amplitude, as what is left of the run "
                f"says nothing of them alone (rows {some_of(rows)})."
            )
        return tuple(found)
