"""Twins of tables of regions on surfaces, in CIFTI: the same numbers, for Workbench."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from bidsmask.analysis.kinds import Source
from bidsmask.analysis.output_names import coverage_map_name, has_twins
from bidsmask.analysis.plan import RunPlan
from bidsmask.columns.base import Columns
from bidsmask.columns.regions import Regions
from bidsmask.derivatives.run import Content
from bidsmask.derivatives.sidecars import coverage_columns
from bidsmask.images.parcels import parcel_matrix, parcel_scalars, parcel_series, parcels_axis

_File = tuple[Path, Content]


class Twins:
    """Makes the twins of the tables of one source, if it has some.

    Parameters
    ----------
    plan : RunPlan
    source : Source
    columns : Columns
        Of the source, on the places of the run.
    names : list of P str
        Of the columns in the tables.
    """

    def __init__(self, plan: RunPlan, source: Source, columns: Columns, names: list[str]) -> None:
        self._t_r = plan.t_r
        self._columns_of_coverage = coverage_columns(columns.extent.places)
        self._coverage = coverage_map_name(plan, source)
        self._coverage_sidecar = coverage_map_name(plan, source, ".json")
        self._parcels: Any = None
        if has_twins(plan, source):
            assert isinstance(columns, Regions)
            self._parcels = parcels_axis(names, columns.members, columns.grid)

    def of_series(self, files: Iterable[_File]) -> Iterator[_File]:
        """Give files, and behind a table of time series its ``.ptseries.nii``.

        Rows are those of the table: without censored volumes, if it has none of them.
        """
        for name, content in files:
            yield name, content
            if self._parcels is not None and isinstance(content, pd.DataFrame):
                twin = parcel_series(content.to_numpy(), self._parcels, self._t_r)
                yield name.with_suffix(".ptseries.nii"), twin

    def of_matrices(self, files: Iterable[_File]) -> Iterator[_File]:
        """Give files, and behind a matrix its ``.pconn.nii``."""
        for name, content in files:
            yield name, content
            if self._parcels is not None and isinstance(content, pd.DataFrame):
                matrix = content.iloc[:, 1:].to_numpy()  # without the names of the rows
                yield name.with_suffix(".pconn.nii"), parcel_matrix(matrix, self._parcels)

    def of_coverage(self, files: Iterable[_File]) -> Iterator[_File]:
        """Give files, and behind the table of coverage its ``.pscalar.nii`` with a sidecar."""
        for name, content in files:
            yield name, content
            if self._parcels is None:
                continue
            if isinstance(content, pd.DataFrame):
                share = content[["coverage"]].to_numpy().T
                yield self._coverage, parcel_scalars(share, ["coverage"], self._parcels)
            elif isinstance(content, dict):
                columns = self._columns_of_coverage
                about = {key: value for key, value in content.items() if key not in columns}
                yield self._coverage_sidecar, about
