"""Checksums of what belongs to no single run: the dataset, the page of a subject, the group.

A manifest is a list of files with the SHA-256 of each, in ``.bidsmask/records``. With the records
of runs, they account for every file of an output.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bidsmask.derivatives.writing import check_inside, sha256, write_json

FOLDER = Path(".bidsmask") / "records"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a manifest says; nothing, if it is damaged.

    Parameters
    ----------
    name : str
    outputs, sources : mapping
        From the name of a file, relative to the dataset, to its SHA-256. `sources` are what the
        outputs were made of.
    """

    name: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def write_manifest(
    output_dir: Path, name: str, files: Iterable[str], sources: Iterable[str] = ()
) -> None:
    """Note what some files hold, those of them that are there.

    Parameters
    ----------
    output_dir : Path
    name : str
        Of the manifest.
    files, sources : iterable of str
        Relative to the dataset; see `Manifest`.
    """
    content = {
        "Description": "SHA-256 sums of files, and of what they were made of",
        "Outputs": _sums(output_dir, files),
        "Sources": _sums(output_dir, sources),
    }
    write_json(output_dir / FOLDER / f"{name}.json", content, within=output_dir)


def read_manifest(output_dir: Path, name: str) -> Manifest:
    """Read a manifest; one without files if it is not there, or damaged."""
    try:
        content = json.loads((output_dir / FOLDER / f"{name}.json").read_bytes())
        outputs, sources = (
            {str(file): str(known) for file, known in content[key].items()}
            for key in ("Outputs", "Sources")
        )
        for file in (*outputs, *sources):
            _check_name(file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Manifest(name=name)
    return Manifest(name=name, outputs=outputs, sources=sources)


def read_manifests(output_dir: Path) -> list[Manifest]:
    """Read all manifests, by their names."""
    paths = sorted((output_dir / FOLDER).glob("*.json"))
    return [read_manifest(output_dir, path.stem) for path in paths]


def remove_files_that_left(output_dir: Path, before: Manifest, now: Iterable[str]) -> None:
    """Remove files of a manifest that are no longer part of it, if nobody has changed them."""
    for name in before.outputs.keys() - set(now):
        path = output_dir / name
        check_inside(path, output_dir)
        if path.is_file() and sha256(path) == before.outputs[name]:
            path.unlink()


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name} lies elsewhere.")


def _sums(output_dir: Path, names: Iterable[str]) -> dict[str, str]:
    return {
        name: sha256(output_dir / name) for name in sorted(names) if (output_dir / name).is_file()
    }
