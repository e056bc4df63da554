"""Fetch the files of a list from TemplateFlow and check each against its MD5 checksum.

Usage: fetch_templates.py LIST FOLDER [ADDRESS]

LIST has lines of checksum and path, as md5sum writes them. Without network nothing is fetched and
that is said (exit code 0: an image without atlases is still of use). A file that is not what the
list says is an error (exit code 1) and is never kept.
"""

from __future__ import annotations

import hashlib
import sys
import urllib.error
import urllib.request
from pathlib import Path

ADDRESS = "https://templateflow.s3.amazonaws.com/"
TIMEOUT_SECONDS = 60


def main(listing: str, folder: str, address: str = ADDRESS) -> int:
    """Fetch all files of the list; give the exit code."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    wanted = [line.split() for line in Path(listing).read_text().splitlines() if line.strip()]
    for number, (checksum, name) in enumerate(wanted):
        try:
            content = _fetch(address + name)
        except urllib.error.HTTPError as error:
            return _say(f"{name}: the server says {error.code} {error.reason}.", 1)
        except OSError as error:
            return _say(
                f"No network ({error}): {number} of {len(wanted)} templates are in this image. "
                "Runs with it need --atlases with a path, or a TEMPLATEFLOW_HOME of their own.",
                0,
            )
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != checksum:
            return _say(f"{name}: what arrived does not have the checksum {checksum}.", 1)
        _keep(root / name, content)
    return _say(f"{len(wanted)} templates fetched; all checksums are right.", 0)


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
        return bytes(answer.read())


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _say(sentence: str, exit_code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return exit_code


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
