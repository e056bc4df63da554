"""Where an output of a run belongs, and what it is called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from bidsmask.dataset.entities import Entities, build_name, with_cohort_in_space
from bidsmask.errors import LongNameError

LONGEST_NAME = 255
"""What file systems allow, in bytes."""

_OF_THE_GRID = ("space", "res", "den", "cohort")


def output_name(
    run_entities: Mapping[str, str],
    *,
    suffix: str,
    extension: str,
    atlas: Iterable[tuple[str, str]] = (),
    stat: str | None = None,
    desc: str | None = None,
    hemi: str | None = None,
    with_space: bool = True,
) -> Path:
    """Tell where an output file belongs, relative to the output dataset.

    Every entity of the source stays as it is written there, except ``desc``, which says how the
    source was made. A ``cohort`` joins the space (``space-MNIInfant+1``), since BIDS has it only
    in template files.

    Parameters
    ----------
    run_entities : mapping
        Entities of the BOLD file; ``sub`` is one of them.
    suffix, extension : str
        Such as ``"timeseries"`` and ``".tsv"``.
    atlas : iterable of (entity, label)
        Of ``atlas``, ``seg``, ``scale``, those that name the atlas.
    stat, desc, hemi : str, optional
        Labels of these entities.
    with_space : bool
        False for what is the same in every space, such as the confounds: leaves out ``space``,
        ``res``, ``den`` and ``cohort``.

    Returns
    -------
    path : Path
        ``sub-<label>[/ses-<label>]/func/<name>``.

    Raises
    ------
    ValueError
        If a label holds anything but letters, digits and ``+``.
    LongNameError
        If the name is too long for a file system.

    Examples
    --------
    >>> run = {"sub": "01", "task": "rest", "run": "01", "space": "MNIInfant", "cohort": "1"}
    >>> output_name(run, suffix="relmat", extension=".tsv", atlas=[("atlas", "Power")]).name
    'sub-01_task-rest_run-01_space-MNIInfant+1_atlas-Power_relmat.tsv'
    >>> str(output_name(run, suffix="design", extension=".tsv", desc="36P", with_space=False))
    'sub-01/func/sub-01_task-rest_run-01_desc-36P_design.tsv'
    """
    entities = with_cohort_in_space(Entities(run_entities).without("desc"))
    if not with_space:
        entities = entities.without(*_OF_THE_GRID)
    if hemi is not None:
        entities |= {"hemi": hemi}
    name = _name(entities, suffix, extension, atlas, stat, desc)
    if len(name.encode()) > LONGEST_NAME:
        raise LongNameError(
            f"{name} has {len(name.encode())} characters, but a file name can have {LONGEST_NAME}."
        )
    return run_folder(entities) / name


def figure_name(
    run_entities: Mapping[str, str],
    *,
    suffix: str,
    atlas: Iterable[tuple[str, str]] = (),
    stat: str | None = None,
    desc: str | None = None,
) -> str:
    """Name the figure of a run.

    Nobody looks for a figure by its name: where that would be too long, it is cut, and a checksum
    of the whole tells it from others.
    """
    entities = with_cohort_in_space(Entities(run_entities).without("desc"))
    name = _name(entities, suffix, ".svg", atlas, stat, desc)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    ending = f"_{hashlib.sha256(name.encode()).hexdigest()[:16]}.svg"
    return name.removesuffix(".svg")[: LONGEST_NAME - len(ending)] + ending


def _name(
    entities: Entities,
    suffix: str,
    extension: str,
    atlas: Iterable[tuple[str, str]],
    stat: str | None,
    desc: str | None,
) -> str:
    own = {name: label for name, label in (("stat", stat), ("desc", desc)) if label is not None}
    return build_name(entities | dict(atlas) | own, suffix, extension)


def run_folder(entities: Mapping[str, str]) -> Path:
    """Where the outputs of a run are: ``sub-<label>[/ses-<label>]/func``."""
    levels = [f"{name}-{entities[name]}" for name in ("sub", "ses") if name in entities]
    return Path(*levels, "func")
