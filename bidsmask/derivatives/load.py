"""``bidsmask.load``: what bidsmask has written, with its labels, for scripts and notebooks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bidsmask._typing import FloatArray
from bidsmask._warn import warn_user
from bidsmask.dataset.listing import some_of
from bidsmask.derivatives.catalogue import Catalogue, tables_of
from bidsmask.derivatives.export import write_conn, write_nbs
from bidsmask.derivatives.read import TableKey
from bidsmask.derivatives.relations import participant_means, relation_kind, tangent_key
from bidsmask.derivatives.stacks import edge_names, open_stack
from bidsmask.errors import NoInputError, RequestError
from bidsmask.numerics.connectivity.group import mean_of_runs
from bidsmask.numerics.tangent import (
    geometric_mean,
    inverse_root,
    logarithm_seen_from,
    sym_matrix_to_vec,
)

if TYPE_CHECKING:
    import xarray as xr


def load(output_dir: str | Path) -> Output:
    """Open what bidsmask has written, to be looked at.

    Parameters
    ----------
    output_dir : str or Path
        The output of the participant level. Where the group level has been run, too, its stacks
        are read, which is faster.

    Returns
    -------
    output : Output
        Nothing is read before it is asked for.

    Raises
    ------
    NoInputError
        If no run is done.

    See Also
    --------
    clean : Clean signals of one's own.

    Examples
    --------
    ::

        output = bidsmask.load("/data/out")
        output                                    # what there is
        output.signals("sub-01", strategy="36P")  # a frame: seconds × regions
        output.matrix("sub-01_ses-2", strategy="36P")
        output.fisher_z(strategy="36P")           # a frame: participants × edges
        output.stack(strategy="36P")              # xarray: runs × edges
    """
    output = Output(Path(output_dir).absolute())
    if not output.finished:
        raise NoInputError(
            f"{output_dir} holds no run that is done. Give the output folder of bidsmask, after "
            "the participant level."
        )
    return output


class Output(Catalogue):
    """What bidsmask has written; see `load`.

    Where there are several atlases, measures or strategies, say which: ``atlas`` is a part of its
    name (``"Schaefer2018"``, ``"scale-400"``), ``space`` where images are (``"fsLR"``), ``stat``
    the statistic of signals (``"mean"``) or the measure of matrices (``"pearsoncorrelation"``),
    ``strategy`` its name.

    Parameters
    ----------
    output_dir : Path
    """

    def signals(self, run: str, **which: str) -> pd.DataFrame:
        """Read the time series of a run.

        Parameters
        ----------
        run : str
            Its name, or the beginning of it if no other begins so: ``"sub-01_ses-2"``.
        **which
            ``atlas``, ``space``, ``stat``, ``strategy``; see `Output`.

        Returns
        -------
        signals : DataFrame of shape (T, P)
            By time in seconds and region. NaN in volumes that were censored, and in regions
            without a signal.
        """
        found = self._run(run, which.get("space"))
        names, values = found.read_volumes(self._key(False, which, found))
        times = pd.Index(np.arange(len(values)) * found.t_r, name="time")
        return pd.DataFrame(values, index=times, columns=list(names))

    def matrix(self, run: str, **which: str) -> pd.DataFrame:
        """Read a matrix of a run, (P, P), by regions; see `signals`."""
        found = self._run(run, which.get("space"))
        names, values = found.read_matrix(found.matrices[self._key(True, which, found)])
        return pd.DataFrame(values, index=list(names), columns=list(names))

    def signals_of(self, participant: str, **which: str) -> dict[str, pd.DataFrame]:
        """Read the time series of all runs of a participant, by the names of runs."""
        runs = self._of(participant, which.get("space"))
        return {run.name: self.signals(run.name, **which) for run in runs}

    def matrices_of(self, participant: str, **which: str) -> dict[str, pd.DataFrame]:
        """Read the matrices of all runs of a participant, by the names of runs."""
        runs = self._of(participant, which.get("space"))
        return {run.name: self.matrix(run.name, **which) for run in runs}

    def fisher_z(self, runs: Collection[str] | None = None, **which: str) -> pd.DataFrame:
        """Read the connectivity of participants: means over their runs, in Fisher's z.

        Of measures that are no correlations, it is the mean of the measure itself.

        Parameters
        ----------
        runs : collection of str, optional
            Names of the runs to take; all by default.
        **which
            ``atlas``, ``space``, ``stat``, ``strategy``; see `Output`.

        Returns
        -------
        connectivity : float64 DataFrame of shape (participants, edges)
            An edge ``A--B`` is of the regions A and B. NaN where a participant has no value.
        """
        key = self._key(True, which)
        known = list(self._participant_means(key, runs))
        names = pd.Index([name for name, _ in known], name="participant_id")
        values = np.array([values for _, values in known])
        return pd.DataFrame(values, index=names, columns=edge_names(self._regions(key)))

    def samples(self, runs: Collection[str] | None = None, **which: str) -> dict[str, FloatArray]:
        """Read signals as estimators of connectivity take them.

        Parameters
        ----------
        runs : collection of str, optional
            Names of the runs to take; all by default.
        **which
            ``atlas``, ``space``, ``stat``, ``strategy``; see `Output`.

        Returns
        -------
        samples : dict from participant to array of shape (kept volumes, regions)
            Kept volumes of all runs of a participant, each run with a mean of 0 and a standard
            deviation of 1; of the regions that have a signal in every run of everybody. A
            warning names the others.
        """
        return self._samples(runs, which)[1]

    def _samples(
        self, runs: Collection[str] | None, which: Mapping[str, str]
    ) -> tuple[list[str], dict[str, FloatArray]]:
        """Give the names of the regions, and see `samples`."""
        key = self._key(False, which)
        taken = [run for run in self._chosen(runs) if key in run.series]
        if not taken:
            raise RequestError("None of these runs has such signals.")
        regions, signals = zip(*(run.read_volumes(key) for run in taken), strict=True)
        n_lost = np.sum([np.isnan(each).all(axis=0) for each in signals], axis=0)
        is_lost = n_lost > 0
        if is_lost.any():
            lost = [f"{regions[0][place]} ({n_lost[place]})" for place in np.flatnonzero(is_lost)]
            warn_user(
                f"Without {some_of(lost)}: a region needs a signal in each of {len(taken)} runs; "
                "in brackets, how many lack it."
            )
        samples: dict[str, list[FloatArray]] = {}
        for run, each in zip(taken, signals, strict=True):
            kept = each[:, ~is_lost].astype(np.float64)
            kept = kept[~np.isnan(kept).any(axis=1)]
            scores = (kept - kept.mean(axis=0)) / kept.std(axis=0, ddof=1)
            samples.setdefault(run.participant, []).append(scores)
        kept_regions = np.array(regions[0])[~is_lost].tolist()
        return kept_regions, {name: np.concatenate(each) for name, each in samples.items()}

    def tangent(
        self, fitted_on: Collection[str], runs: Collection[str] | None = None, **which: str
    ) -> pd.DataFrame:
        """Compute where participants lie in the space tangent to the mean of some of them.

        Parameters
        ----------
        fitted_on : collection of str
            Participants whose geometric mean it is. The others are projected, and change nothing.
        runs, **which
            See `samples`.

        Returns
        -------
        vectors : DataFrame of shape (participants, P (P + 1) / 2)
            Lower triangles of displacements, the diagonal divided by the square root of 2
            (`bidsmask.connectome.sym_matrix_to_vec`), of shrunk covariances (Ledoit-Wolf). A
            column ``B--A`` is of the regions B and A.

        See Also
        --------
        bidsmask.connectome.ConnectivityMeasure : The same in pipelines, which fit it themselves.

        References
        ----------
        Varoquaux et al. (2010), MICCAI, doi:10.1007/978-3-642-15705-9_25
        """
        from sklearn.covariance import ledoit_wolf

        regions, samples = self._samples(runs, which)
        if unknown := set(fitted_on) - samples.keys():
            raise RequestError(f"There are no signals of {', '.join(sorted(unknown)[:3])}.")
        covariances = {name: ledoit_wolf(each)[0] for name, each in samples.items()}
        mean = geometric_mean([covariances[name] for name in fitted_on])
        whitening = inverse_root(mean)
        rows = [logarithm_seen_from(whitening, each) for each in covariances.values()]
        names = pd.Index([*samples], name="participant_id")
        pairs = zip(*np.tril_indices(len(regions)), strict=True)
        edges = [f"{regions[one]}--{regions[other]}" for one, other in pairs]
        return pd.DataFrame(sym_matrix_to_vec(np.array(rows)), index=names, columns=edges)

    def stack(
        self, what: str = "matrix", chunks: Mapping[str, int] | None = None, **which: str
    ) -> xr.Dataset:
        """Open a stack of the group level with xarray.

        Parameters
        ----------
        what : {"matrix", "signals", "tangent"}
            Tangents are made of signals: ``stat`` is theirs.
        chunks : mapping, optional
            For dask: ``{}`` are the chunks of the file.
        **which
            ``atlas``, ``space``, ``stat``, ``strategy``; see `Output`.

        Returns
        -------
        stack : xarray.Dataset
            ``relation`` (run, edge) and ``diagonal`` (run, region), or ``signal`` (run, time,
            region). Of tangents, ``included`` (run,) is 1 in the group that they are seen from,
            ``reference`` (edge,) and ``reference_diagonal`` (region,) are its geometric mean.
            Read when it is needed; a ``with`` closes the file.

        Raises
        ------
        NoInputError
            If the group level has not been run, or not with ``--tangent``.
        RequestError
            If nothing is called `what`, or it is not clear which stack is meant.
        ImportError
            If xarray or h5netcdf is not installed.
        """
        if what not in ("matrix", "signals", "tangent"):
            raise RequestError(f"Stacks are of matrix, signals or tangent, not of {what!r}.")
        has_matrices = what == "matrix"
        key = self._key(has_matrices, which)
        path = self._stack_path(key, has_matrices)
        if what == "tangent":
            path = self._stack_path(tangent_key(key), has_matrices=True)
        if not path.exists():
            option = " with --tangent" if what == "tangent" else ""
            raise NoInputError(f"{path} is not there. Run the group level{option} first.")
        self._check_current(path, key, has_matrices)
        try:
            import h5netcdf  # noqa: F401
            import xarray as xr
        except ImportError as error:
            raise ImportError(
                "Stacks are opened with xarray and h5netcdf: pip install 'bidsmask[stats]'."
            ) from error
        return xr.open_dataset(path, engine="h5netcdf", chunks=chunks)

    def to_nbs(
        self,
        folder: str | Path,
        design: pd.DataFrame | None = None,
        runs: Collection[str] | None = None,
        **which: str,
    ) -> list[str]:
        """Write `fisher_z` as text files for the NBS toolbox.

        Parameters
        ----------
        folder : str or Path
        design : DataFrame, optional
            Numbers, by ``participant_id``; it may have more rows than there are participants.
        runs, **which
            See `fisher_z`.

        Returns
        -------
        lost : list of str
            Regions that are left out, as somebody has no value of them.

        See Also
        --------
        bidsmask.derivatives.export.write_nbs : Says what is written.
        """
        edges = self.fisher_z(runs, **which)
        return write_nbs(edges, self._regions(self._key(True, which)), Path(folder), design)

    def to_conn(
        self,
        path: str | Path,
        coordinates_mm: FloatArray | None = None,
        runs: Collection[str] | None = None,
        **which: str,
    ) -> None:
        """Write `fisher_z` as CONN keeps ROI-to-ROI connectivity: ``resultsROI_*.mat``.

        See Also
        --------
        bidsmask.derivatives.export.write_conn : Says what is written.
        """
        edges = self.fisher_z(runs, **which)
        write_conn(edges, self._regions(self._key(True, which)), Path(path), coordinates_mm)

    def _participant_means(
        self, key: TableKey, chosen: Collection[str] | None
    ) -> Iterator[tuple[str, FloatArray]]:
        kind = relation_kind(key.stat)
        if kind is None:
            raise RequestError(f"{key.stat} is no measure that this version knows.")
        runs = [run for run in self._chosen(chosen) if key in run.matrices]
        path = self._stack_path(key, has_matrices=True)
        if path.exists():
            self._check_current(path, key, has_matrices=True)
            with open_stack(path) as stack:
                for each in participant_means(stack, kind, [run.name for run in runs]):
                    yield each.participant, each.edges
            return
        for participant in dict.fromkeys(run.participant for run in runs):
            own = [run for run in runs if run.participant == participant]
            rows = [kind.averaged(run.read_triangle(run.matrices[key])[1]) for run in own]
            yield participant, mean_of_runs(np.array(rows))

    def _regions(self, key: TableKey) -> tuple[str, ...]:
        run = next(run for run in self.finished if key in run.matrices)
        return run.columns(run.matrices[key])[1:]

    def _check_current(self, path: Path, key: TableKey, has_matrices: bool) -> None:
        """Warn where a stack is not of the runs that are done today."""
        with open_stack(path) as stack:
            stacked = dict(stack.runs[["run", "sha256"]].to_numpy().tolist())
        named = _left_out(path)
        now: dict[str, str] = {}
        for run in (run for run in self.finished if run.name not in named):
            name = tables_of(run, has_matrices).get(key)
            now |= {run.name: run.record.outputs[name.as_posix()]} if name else {}
        if stacked != now:
            differ = {name for name, _ in stacked.items() ^ now.items()}
            warn_user(
                f"{path.name} is not of the runs that are done now ({len(differ)} differ). Run "
                "the group level again."
            )


def _left_out(stack: Path) -> Collection[str]:
    """Read which runs a stack could not take; none, if its sidecar cannot be read."""
    try:
        return set(json.loads(stack.with_suffix(".json").read_bytes()).get("LeftOut", ()))
    except (OSError, ValueError, AttributeError):
        return ()
