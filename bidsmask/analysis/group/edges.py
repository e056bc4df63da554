"""``group_edges``: connectivity as a design needs it, one row for each participant.

A row is of a participant, an atlas, a measure and a strategy. Its first columns say so, then come
the covariates of the participant, then connectivity: between networks, or of every edge.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bidsmask._typing import FloatArray
from bidsmask.analysis.group.means import NetworkTable
from bidsmask.analysis.group.stacks import StackFile
from bidsmask.derivatives.digits import float_rows
from bidsmask.derivatives.read import TableKey
from bidsmask.derivatives.relations import participant_means, relation_kind
from bidsmask.derivatives.stacks import edge_names, open_stack
from bidsmask.derivatives.writing import MISSING, table_text, write_by, write_json, write_pieces
from bidsmask.errors import SettingsError

EDGES = "group_edges"
_ROWS_AT_ONCE = 64

ROW_COLUMNS: Mapping[str, str] = {
    "participant_id": "Participant, as in participants.tsv",
    "atlas": "Atlas, and the grid on which it was read",
    "measure": "What was averaged over the runs of the participant, as in stat- of names of files",
    "strategy": "Confound strategy",
    "n_runs": "Runs of the participant that were averaged",
}
"""The first columns; covariates follow, and then connectivity."""


@dataclass(frozen=True, kw_only=True)
class EdgeRows:
    """Rows of one kind of matrices.

    Parameters
    ----------
    key : TableKey
    strategy : str
        Its name; ``key`` has the label that names of files have of it.
    names : sequence of str
        What there are values of: ``Vis--Default``.
    rows : iterator of (participant, number of runs, values)
        Gone through once.
    """

    key: TableKey
    strategy: str
    names: Sequence[str]
    rows: Iterator[tuple[str, int, FloatArray]]


def rows_of_networks(stack_file: StackFile, table: NetworkTable) -> EdgeRows:
    """Give the means of participants over networks."""
    return EdgeRows(
        key=table.key,
        strategy=stack_file.strategy,
        names=[f"{one}--{other}" for one, other in table.pairs],
        rows=zip(table.participants, table.n_runs, table.means, strict=True),
    )


def rows_of_edges(stack_file: StackFile, included: Collection[str]) -> EdgeRows:
    """Give every edge of participants, as it is read from a stack."""
    kind = relation_kind(stack_file.key.stat)
    assert kind is not None, "only these have means"

    def rows() -> Iterator[tuple[str, int, FloatArray]]:
        with open_stack(stack_file.path) as stack:
            for each in participant_means(stack, kind, included):
                yield each.participant, each.n_runs, each.edges.astype(np.float32)

    with open_stack(stack_file.path) as stack:
        names = edge_names(stack.regions)
    return EdgeRows(
        key=stack_file.key._replace(stat=kind.z_stat),
        strategy=stack_file.strategy,
        names=names,
        rows=rows(),
    )


def write_group_edges(
    parts: Sequence[EdgeRows], participants: pd.DataFrame, output_dir: Path, *, parquet: bool
) -> list[str]:
    """Write ``group_edges.tsv`` or ``group_edges.parquet``, and what its columns mean.

    Parameters
    ----------
    parts : sequence of EdgeRows
        Below each other; what one has no columns of is n/a.
    participants : DataFrame
        ``participant_id`` and covariates.
    output_dir : Path
    parquet : bool
        Whether to write Parquet instead of text.

    Returns
    -------
    names : list of str
        Files that were written; none without any part.

    Raises
    ------
    SettingsError
        If pyarrow is needed and not installed.
    """
    if not parts:
        return []
    blocks = _blocks(parts, participants)
    if parquet:
        name = f"{EDGES}.parquet"
        _write_parquet(output_dir / name, blocks, output_dir)
    else:
        name = f"{EDGES}.tsv"
        write_pieces(output_dir / name, _as_text(blocks), within=output_dir)
    write_json(output_dir / f"{EDGES}.json", _columns(participants), within=output_dir)
    return [name, f"{EDGES}.json"]


def check_parquet() -> None:
    """Refuse Parquet where nothing can write it.

    Raises
    ------
    SettingsError
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "--parquet needs pyarrow, which is not installed: pip install 'bidsmask[stats]'. Or "
            "leave the option away: group_edges.tsv holds the same."
        ) from error


Block = tuple[pd.DataFrame, Sequence[str], FloatArray]
"""Rows: their first columns, names of the others, and values (n, m)."""


def _blocks(parts: Sequence[EdgeRows], participants: pd.DataFrame) -> Iterator[Block]:
    """Some rows at a time, all with the same columns."""
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    place = {name: number for number, name in enumerate(names)}
    covariates = participants.set_index("participant_id")
    for part in parts:
        columns = np.array([place[name] for name in part.names], dtype=np.int64)
        for some in _some(part.rows):
            who, n_runs, rows = zip(*some, strict=True)
            values = np.full((len(some), len(names)), np.nan, dtype=rows[0].dtype)
            values[:, columns] = rows
            first = pd.DataFrame({"participant_id": who}).assign(
                atlas=part.key.atlas,
                measure=part.key.stat,
                strategy=part.strategy,
                n_runs=n_runs,
            )
            yield first.join(covariates, on="participant_id"), names, values


def _some(
    rows: Iterator[tuple[str, int, FloatArray]],
) -> Iterator[list[tuple[str, int, FloatArray]]]:
    held = []
    for row in rows:
        held.append(row)
        if len(held) == _ROWS_AT_ONCE:
            yield held
            held = []
    if held:
        yield held


def _as_text(blocks: Iterator[Block]) -> Iterator[bytes]:
    has_header = False
    for first, names, values in blocks:
        header, *rows = table_text(first).splitlines()
        if not has_header:
            yield ("\t".join([header, *names]) + "\n").encode()
            has_header = True
        for row, text in zip(rows, float_rows(values, MISSING), strict=True):
            yield f"{row}\t{text}\n".encode()


def _write_parquet(path: Path, blocks: Iterator[Block], output_dir: Path) -> None:
    check_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    def make(temporary: Path) -> None:
        writer = None
        for first, names, values in blocks:
            table = pa.Table.from_pandas(first, preserve_index=False)
            for name, column in zip(names, values.T, strict=True):
                table = table.append_column(name, pa.array(column, from_pandas=True))
            table = table.replace_schema_metadata(None)
            writer = writer or pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()

    write_by(path, make, within=output_dir)


def _columns(participants: pd.DataFrame) -> dict[str, Any]:
    covariates = [name for name in participants.columns if name != "participant_id"]
    return {
        **{name: {"Description": meaning} for name, meaning in ROW_COLUMNS.items()},
        **{name: {"Description": "Covariate, from participants.tsv"} for name in covariates},
        "Description": "Mean connectivity of each participant. A column A--B is of the pairs of "
        "the networks A and B, or of the edge between the regions A and B",
    }
