"""Means of connectivity: over the runs of a participant, then over participants.

All is in Fisher's z where relations are correlations. Runs of a participant have the same weight,
as have participants: who was measured twice counts once. What is n/a in a run is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import FloatArray
from bidsmask.analysis.group.stacks import StackFile
from bidsmask.analysis.networks import networks_among
from bidsmask.derivatives.read import TableKey, group_name
from bidsmask.derivatives.relations import RelationKind, participant_means, relation_kind
from bidsmask.derivatives.stacks import edges_of, open_stack, square
from bidsmask.derivatives.tables import matrix
from bidsmask.derivatives.writing import write_json, write_table
from bidsmask.numerics.connectivity.group import Moments, NetworkPairs

NETWORK_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "network": {"Description": "A network of the atlas"},
    "other": {"Description": "The same, or another"},
    "mean": {"Description": "Mean over participants of their means over pairs of regions"},
    "sd": {"Description": "Standard deviation over participants"},
    "n": {"Description": "Participants that have a value"},
}
_MOMENTS = {
    "mean": "Mean over participants",
    "sd": "Standard deviation over participants (n - 1)",
    "n": "Participants that have a value: what mean and standard deviation are of",
}


@dataclass(frozen=True, kw_only=True)
class NetworkTable:
    """Means of each participant over networks.

    Parameters
    ----------
    key : TableKey
        Of the matrices; ``stat`` is that of what is averaged.
    pairs : tuple of (network, network)
    participants : tuple of str
    n_runs : tuple of int
        Of each participant.
    means : float64 array of shape (n participants, n pairs)
    """

    key: TableKey
    pairs: tuple[tuple[str, str], ...]
    participants: tuple[str, ...]
    n_runs: tuple[int, ...]
    means: FloatArray


def write_means(
    stack_file: StackFile, included: Collection[str]
) -> tuple[list[str], NetworkTable | None]:
    """Write mean, standard deviation and number over participants, of regions and of networks.

    Parameters
    ----------
    stack_file : StackFile
        Of matrices.
    included : collection of str
        Names of the runs that count.

    Returns
    -------
    names : list of str
        Files that were written; none, if nothing is included or the mean would say nothing.
    networks : NetworkTable or None
        None where nothing is known of networks, too.
    """
    kind = relation_kind(stack_file.key.stat)
    included = set(included).intersection(run.name for run in stack_file.runs)
    if kind is None or not kind.has_mean or not included:
        return [], None
    key = stack_file.key._replace(stat=kind.z_stat)
    with open_stack(stack_file.path) as stack:
        regions = stack.regions
        networks = networks_of_regions(stack_file, regions)
        pairs = None if networks is None else NetworkPairs(networks, *edges_of(len(regions)))
        moments = Moments(len(regions) * (len(regions) + 1) // 2)
        known, of_pairs = [], []
        for each in participant_means(stack, kind, included):
            moments.add(np.concatenate([each.edges, each.diagonal]))
            known.append((each.participant, each.n_runs))
            of_pairs += [pairs.means(each.edges)] if pairs else []
    write = _Writer(stack_file.path.parent, key, _about(stack_file, kind, known))
    write.matrices(moments, regions)
    if pairs is None:
        return write.written, None
    participants, n_runs = zip(*known, strict=True)
    table = NetworkTable(
        key=key,
        pairs=tuple(pairs.names),
        participants=participants,
        n_runs=n_runs,
        means=np.array(of_pairs),
    )
    write.networks(table)
    return write.written, table


def networks_of_regions(stack_file: StackFile, regions: list[str]) -> list[str] | None:
    """Read the network of each region, as the atlas of the first run says it."""
    table = stack_file.runs[0].look_up_table(stack_file.key.atlas).fillna("")
    columns = {str(name): column.to_list() for name, column in table.items()}
    return networks_among(regions, columns)  # rows are in the order of the columns of tables


def _about(
    stack_file: StackFile, kind: RelationKind, known: list[tuple[str, int]]
) -> dict[str, Any]:
    of_z = "Fisher's z (the inverse hyperbolic tangent) of " if kind.is_correlation else ""
    return {
        "Measure": f"{of_z}{kind.words}",
        "NumberOfParticipants": len(known),
        "NumberOfRuns": sum(n_runs for _, n_runs in known),
        "Weights": "Runs of a participant are averaged first, each with the same weight; then "
        "participants, each with the same weight. What is n/a in a run is left out",
        "Sources": [f"bids::{stack_file.path.name}"],
    }


class _Writer:
    """Writes tables of one kind of matrices, and keeps their names."""

    def __init__(self, output_dir: Path, key: TableKey, about: dict[str, Any]) -> None:
        self.output_dir, self.key, self.about = output_dir, key, about
        self.written: list[str] = []

    def matrices(self, moments: Moments, regions: list[str]) -> None:
        """Write mean, standard deviation and number, each as a matrix."""
        n_edges = len(edges_of(len(regions))[0])
        for label, words in _MOMENTS.items():
            values = np.asarray(getattr(moments, label))
            table = matrix(square(values[:n_edges], values[n_edges:]), regions)
            if label == "n":
                table = table.astype(dict.fromkeys(regions, np.int64))
            key = self.key._replace(desc=f"{self.key.desc}+{label}")
            self._write(group_name(key, "relmat", ".tsv"), table, {"Description": words})

    def networks(self, networks: NetworkTable) -> None:
        """Write the same of networks, as one table."""
        moments = Moments(len(networks.pairs))
        for row in networks.means:
            moments.add(row)
        one, other = zip(*networks.pairs, strict=True)
        columns = (one, other, moments.mean, moments.sd, moments.n)
        table = pd.DataFrame(dict(zip(NETWORK_COLUMNS, columns, strict=True)))
        said = "Mean over participants, within networks and between them"
        name = group_name(self.key, "networkmeans", ".tsv")
        self._write(name, table, {"Description": said, **NETWORK_COLUMNS})

    def _write(self, name: str, table: pd.DataFrame, about: Mapping[str, Any]) -> None:
        path = self.output_dir / name
        write_table(path, table, within=self.output_dir)
        sidecar = {**about, **self.about}
        write_json(path.with_suffix(".json"), sidecar, within=self.output_dir)
        self.written += [name, path.with_suffix(".json").name]
