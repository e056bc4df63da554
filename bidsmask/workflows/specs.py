"""What a node is given, and the fingerprint by which nipype knows whether it is up to date."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from nipype.interfaces import base


class TraitedSpec(base.TraitedSpec):
    """Inputs or outputs of a node.

    nipype's own reads every file twice, a BOLD run too, and slowly.
    """

    def get_hashval(self, hash_method: str | None = None) -> tuple[list[tuple[str, Any]], str]:
        """Compute the fingerprint of all that is given: of a file, its content counts.

        What is marked ``nohash`` does not count, such as a file of gigabytes that comes with a
        small one which is never the same for another content.

        Parameters
        ----------
        hash_method : str, optional
            What nipype would do with files; not used.

        Returns
        -------
        seen : list of (name, value)
            The SHA-256 sum in the place of a file.
        fingerprint : str
        """
        given = sorted(self.trait_get(nohash=None).items())  # the others have no such mark
        seen = [(name, _seen(value)) for name, value in given if base.isdefined(value)]
        return seen, hashlib.sha256(repr(seen).encode()).hexdigest()


def _seen(value: Any) -> Any:
    if isinstance(value, list):
        return [_seen(item) for item in value]
    if isinstance(value, str) and os.path.isfile(value):  # noqa: PTH113 (no error, whatever it is)
        with Path(value).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return value
