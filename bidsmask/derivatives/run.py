"""The outputs of a run under their final names, and whether they are complete.

A run is done when its completion record, which is written last, agrees with its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bidsmask.dataset.runs import BoldRun
from bidsmask.derivatives.description import describe_labels
from bidsmask.derivatives.names import output_name, run_folder
from bidsmask.derivatives.writing import write_bytes, write_json, write_table

Content = pd.DataFrame | dict[str, Any] | bytes
"""A table, a sidecar, or an image."""


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
    """

    run: BoldRun
    version: str
    labels: Mapping[str, str]
    files: Iterable[tuple[Path, Content]]


def write_run(result: RunFiles, output_dir: Path, *, digest: str) -> tuple[Path, ...]:
    """Write every file of a run, the completion record last.

    Files that hold the same already are not touched.

    Parameters
    ----------
    result : RunFiles
    output_dir : Path
        Dataset to write.
    digest : str
        Fingerprint of the settings, for `is_complete`.

    Returns
    -------
    paths : tuple of Path
        All files of the run, the completion record last.

    Raises
    ------
    StorageError, OutputError
        If a file cannot be written.
    """
    written = []
    for name, content in result.files:
        _write(output_dir / name, content, within=output_dir)
        written.append(name)
    describe_labels(output_dir, result.labels)
    record = _record_name(result.run)
    hashes = {name.as_posix(): _sha256(output_dir / name) for name in sorted(written)}
    content = {
        "Description": "The outputs of this run are complete if their SHA-256 sums are these",
        "Run": result.run.name,
        "Version": result.version,
        "SettingsDigest": digest,
        "Outputs": hashes,
    }
    write_json(output_dir / record, content, within=output_dir)
    return tuple(output_dir / name for name in (*written, record))


def is_complete(output_dir: Path, run: BoldRun, digest: str) -> bool:
    """Whether all outputs of a run are there, unchanged, and made with these settings.

    Parameters
    ----------
    output_dir : Path
    run : BoldRun
    digest : str
        Fingerprint of the settings, as given to `write_run`.
    """
    folder = run_folder(run.entities)
    try:
        record = json.loads((output_dir / _record_name(run)).read_bytes())
        expected = record["Outputs"].items()
        return (
            record["SettingsDigest"] == digest
            and bool(expected)
            and all(Path(name).parent == folder for name, _ in expected)
            and all(_sha256(output_dir / name) == known for name, known in expected)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # no record, or one that was damaged: done again, it will be whole


def _record_name(run: BoldRun) -> Path:
    return output_name(run.entities, suffix="complete", extension=".json", desc="bidsmask")


def _write(path: Path, content: Content, *, within: Path) -> None:
    if isinstance(content, pd.DataFrame):
        write_table(path, content, within=within)
    elif isinstance(content, bytes):
        write_bytes(path, content, within=within)
    else:
        write_json(path, content, within=within)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
