"""Older commits beside today's tree: unpacked, not installed, and run by the same interpreter."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from benchmarks.measure import ROOT

PACKAGE = "bidsmask"
"""Calls are made by today's benchmarks, so that all trees make the same ones."""


def unpacked(commit: str, folder: Path) -> Path:
    """Give the folder that holds the package of a commit; unpack it if it is not there.

    Raises
    ------
    subprocess.CalledProcessError
        If git knows no such commit.
    """
    name = _git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()
    tree = folder / name
    if not tree.exists():
        unfinished = folder / f"unfinished_{name}"
        with tarfile.open(fileobj=BytesIO(_git("archive", name, PACKAGE))) as archive:
            archive.extractall(unfinished, filter="data")
        unfinished.replace(tree)
    return tree


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True).stdout
