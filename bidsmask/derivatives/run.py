"""The outputs of a run under their final names, and whether they are complete.

A run is done when its completion record, which is written last, agrees with its files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from bidsmask.dataset.runs import BoldRun
from bidsmask.derivatives.description import describe_labels
from bidsmask.derivatives.record import (
    RunRecord,
    in_words,
    is_unchanged,
    read_record,
    read_source,
    record_name,
    write_record,
)
from bidsmask.derivatives.writing import (
    sha256,
    write_bytes,
    write_json,
    write_pieces,
    write_table,
)

Content = pd.DataFrame | dict[str, Any] | bytes | Iterator[bytes]
"""A table, a sidecar, an image, or the pieces of an image that is too large to be held."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunFiles:
    """What is to be written of one run.

    Parameters
    ----------
    run : BoldRun
    version : str
        Of bidsmask.
    labels : mapping from label to meaning
        Those of ``desc-`` in the names of the files.
    files : iterable of (name relative to the output dataset, content)
        Gone through once; each content may be made when it is asked for.
    written : mapping from name to SHA-256
        Files of the run that `write_files` has written already.
    """

    run: BoldRun
    version: str
    labels: Mapping[str, str]
    files: Iterable[tuple[Path, Content]]
    written: Mapping[str, str] = field(default_factory=dict)


def write_run(
    result: RunFiles,
    output_dir: Path,
    *,
    links: Mapping[str, str | Path],
    digest: str,
    settings: Mapping[str, object] = MappingProxyType({}),
) -> tuple[Path, ...]:
    """Write every file of a run, the completion record last.

    Files that hold the same already are not touched.

    Parameters
    ----------
    result : RunFiles
    output_dir : Path
        Dataset to write.
    links : mapping from name to root
        Datasets that BIDS URIs refer to (``DatasetLinks``).
    digest : str
        Fingerprint of the settings, for `is_complete`.
    settings : mapping from name to value
        What the fingerprint was taken of, so that a later request can say what it replaces.

    Returns
    -------
    paths : tuple of Path
        All files of the run, the completion record last.

    Raises
    ------
    StorageError, OutputError
        If a file cannot be written.
    """
    sums = {**write_files(result.files, output_dir), **result.written}
    describe_labels(output_dir, result.labels)
    record = RunRecord(
        run=result.run.name,
        version=result.version,
        digest=digest,
        source=read_source(result.run, output_dir, links),
        settings=in_words(settings),
        outputs=sums,
        labels=result.labels,
    )
    last = record_name(result.run)
    write_record(record, last, output_dir)
    return tuple(output_dir / name for name in (*map(Path, sums), last))


def write_files(files: Iterable[tuple[Path, Content]], output_dir: Path) -> dict[str, str]:
    """Write files, all or none; give the SHA-256 of each by its name.

    What was written before a failure is removed: it is part of nothing that is done.

    Raises
    ------
    StorageError, OutputError
        If a file cannot be written.
    """
    sums: dict[str, str] = {}
    written: list[Path] = []
    try:
        for name, content in files:
            path = output_dir / name
            before = _inode(path)
            _write(path, content, within=output_dir)
            written += [path] if _inode(path) != before else []
            sums[name.as_posix()] = sha256(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return sums


def is_complete(output_dir: Path, run: BoldRun, digest: str) -> bool:
    """Whether all outputs of a run are there, unchanged, and made from these files and settings.

    Parameters
    ----------
    output_dir : Path
    run : BoldRun
    digest : str
        Fingerprint of the settings, as given to `write_run`.
    """
    record = read_record(output_dir, run)
    if record is None or record.source is None or record.digest != digest:
        return False
    return record.agrees(output_dir) and is_unchanged(record.source, run)


def _inode(path: Path) -> int | None:
    """Which file it is; another one once it was written, as writing renames."""
    return path.stat().st_ino if path.exists() else None


def _write(path: Path, content: Content, *, within: Path) -> None:
    if isinstance(content, pd.DataFrame):
        write_table(path, content, within=within)
    elif isinstance(content, bytes):
        write_bytes(path, content, within=within)
    elif isinstance(content, dict):
        write_json(path, content, within=within)
    else:
        write_pieces(path, content, within=within)
