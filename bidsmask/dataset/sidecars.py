"""What lies beside an image: its JSON sidecars, and the repetition time they and it agree on.

Sidecars are read per run and never through an index, so that a damaged one costs its own run
and no other.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bidsmask.dataset.entities import ParsedName, parse_name
from bidsmask.dataset.selection import format_of
from bidsmask.errors import ImageError, SidecarError
from bidsmask.images.cifti import read_cifti
from bidsmask.images.header import time_step

T_R_RANGE_S = (0.1, 20.0)
"""Repetition times outside of this are taken for a mistake, such as milliseconds."""

T_R_TOLERANCE_S = 1e-3
"""Header (single precision, sometimes rounded) and sidecar may differ by this much."""

MAX_SIDECAR_BYTES = 16 * 2**20

_KEPT = (
    "EchoTime",
    "FlipAngle",
    "Resolution",
    "SkullStripped",
    "SliceTimingCorrected",
    "StartTime",
    "TaskName",
)
_KEPT_OF_SURFACES = ("Density", "SpatialReference")
_TODAY = {"ica_mixing.tsv": "desc-ICA_mixing.tsv", "ica_metrics.tsv": "desc-tedana_metrics.tsv"}
_OF_TEDANA = re.compile(r"(?<![^_])ica_(mixing|metrics)\.tsv$")

_ANNEX_POINTER = b"/annex/objects/"
_MAX_POINTER_BYTES = 32768  # git-annex reads no more of a pointer file either


class Folders:
    """Folders of a dataset, each listed and its BIDS names parsed once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[Path, ParsedName], ...]] = {}
        self._inside: dict[Path, tuple[Path, ...]] = {}

    def files(self, folder: Path) -> tuple[tuple[Path, ParsedName], ...]:
        """Everything in `folder` that has a BIDS name, sorted by it.

        fMRIPrep 1.0 and 1.1 wrote ``..._bold_confounds.tsv``; it is read as
        ``..._desc-confounds_regressors.tsv``, which it is called today.
        """
        if folder not in self._known:
            self._known[folder] = tuple(_parsed(folder))
        return self._known[folder]

    def inside(self, folder: Path) -> tuple[Path, ...]:
        """The folders that lie in `folder`, sorted by name."""
        if folder not in self._inside:
            paths = [folder / name for name in sorted(_names(folder))]
            self._inside[folder] = tuple(path for path in paths if path.is_dir())
        return self._inside[folder]


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What the sidecars of an image say, and which of them said it."""

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, Path] = field(default_factory=dict)

    def pairs(self, *, on_surfaces: bool = False) -> tuple[tuple[str, Any], ...]:
        """Give what later stages want to know, hashable; nested values as JSON."""
        kept = sorted((*_KEPT, *_KEPT_OF_SURFACES)) if on_surfaces else _KEPT
        return tuple((key, _plain(self.values[key])) for key in kept if key in self.values)


@dataclass(frozen=True, kw_only=True)
class RepetitionTime:
    """The time between two volumes, or why there is none to be trusted.

    Parameters
    ----------
    t_r : float or None
        Seconds. None when there is a problem.
    problem, warning : str or None
    """

    t_r: float | None = None
    problem: str | None = None
    warning: str | None = None


def find_sidecars(image: Path, *, root: Path, folders: Folders) -> list[Path]:
    """JSON files that apply to `image` by the inheritance principle, the closest last."""
    sidecar = replace(parse_name(image), extension=".json")
    return find_inherited(sidecar, image.parent, root=root, folders=folders)


def find_inherited(name: ParsedName, folder: Path, *, root: Path, folders: Folders) -> list[Path]:
    """Files that apply to one of this name by the inheritance principle, the closest last.

    A file applies when it lies in a folder between `root` and `folder`, has the same suffix and
    extension, and no entity that the name has not. Within one folder, the one with more entities
    is closer.
    """
    found = []
    for level in _folders_down_to(folder, root):
        here = [file for file in folders.files(level) if _applies(file[1], name)]
        found += sorted(here, key=lambda file: (len(file[1].entities), file[0]))
    return [path for path, _ in found]


def read_metadata(image: Path, *, root: Path, folders: Folders) -> Metadata:
    """All that the sidecars of `image` say; key by key, the closest one wins.

    Raises
    ------
    SidecarError
        If a sidecar that applies cannot be read; the message names it.
    """
    values: dict[str, Any] = {}
    origins: dict[str, Path] = {}
    for path in find_sidecars(image, root=root, folders=folders):
        content = read_json(path)
        values |= content
        origins |= dict.fromkeys(content, path)
    return Metadata(values=values, origins=origins)


def of_both_hemispheres(found: Sequence[Metadata]) -> Metadata:
    """Join what the sidecars of the left and of the right hemisphere say; of one file, give that.

    Raises
    ------
    SidecarError
        If they contradict each other.
    """
    left, *others = found
    for right in others:
        for key in ("RepetitionTime", *_KEPT):
            one, other = left.values.get(key), right.values.get(key)
            if key in left.values and key in right.values and one != other:
                raise SidecarError(
                    f"The sidecars of the hemispheres contradict each other: {key} is "
                    f"{_short(one)} in {left.origins[key]} and {_short(other)} in "
                    f"{right.origins[key]}. They are of one run: find out which is true, and "
                    "correct the other."
                )
    if not others:
        return left
    references = {
        f"CIFTI_STRUCTURE_{side}_CORTEX": each.values["SpatialReference"]
        for side, each in zip(("LEFT", "RIGHT"), found, strict=True)
        if isinstance(each.values.get("SpatialReference"), str)
    }
    joined = {"SpatialReference": references} if references else {}
    return replace(left, values={**left.values, **joined})


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a regular file of at most `MAX_SIDECAR_BYTES`.

    Raises
    ------
    SidecarError
        If there is no such object to be read, whatever the reason.
    """
    if problem := content_problem(path):
        raise SidecarError(problem)
    try:
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            raise ValueError(f"it is larger than {MAX_SIDECAR_BYTES // 2**20} MB")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SidecarError(
            f"{path} cannot be read as JSON ({error}). Correct it, or copy it again from where "
            "it came from."
        ) from None
    if not isinstance(content, dict):
        raise SidecarError(f"{path} holds no JSON object {{...}}. Correct it.")
    return content


def content_problem(path: Path) -> str | None:
    """Why the content of `path` cannot be read, if so; nothing is opened that could block.

    Returns
    -------
    str or None
        A short letter that names the file and what to do.
    """
    try:
        status = path.stat()
    except OSError as error:
        return _missing(path, error)
    if stat.S_ISDIR(status.st_mode):
        return f"{path} is a folder, a file was expected. Put the file in its place."
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is a pipe or a device, a file was expected. Put the file in its place."
    if status.st_size == 0:
        return f"{path} is empty (0 bytes). Copy it again, or have fMRIPrep write it again."
    if not os.access(path, os.R_OK):
        return f"{path} cannot be read: you have no permission. Change it with chmod."
    if status.st_size <= _MAX_POINTER_BYTES and _starts_with(path, _ANNEX_POINTER):
        return _not_fetched(path)
    return None


def header_t_r(image: Path) -> float | None:
    """Repetition time in seconds as a header has it, whatever its worth.

    Of a CIFTI file it is the step of the series in its XML. What GIFTI files say is not to be
    relied on, and not read.

    Returns
    -------
    float or None
        None if the header cannot be read (the image reader has the words for that), or counts
        the axis of volumes in other units than time.
    """
    import nibabel

    file_format = format_of(image)
    if file_format == "gifti":
        return None
    try:
        if file_format == "cifti":
            return read_cifti(image).axes.t_r
        opened = nibabel.load(image)
        if not isinstance(opened, nibabel.Nifti1Image):
            return None
        return time_step(opened.header)
    except (
        ImageError,
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
        OSError,
        EOFError,
        ValueError,
        zlib.error,
    ):
        return None


def repetition_time(
    image: Path, metadata: Metadata, header: float | None, *, is_exact: bool = False
) -> RepetitionTime:
    """Decide on the repetition time, and never in silence.

    The sidecar's ``RepetitionTime`` is taken. A header that holds a placeholder (0, 1, or the
    sidecar's value times or through 1000) draws a warning; one that holds another time makes
    the run impossible, since nobody can tell which is true. Without a sidecar a plausible
    header is taken, with a warning.

    Parameters
    ----------
    image : Path
        For the messages.
    metadata : Metadata
        Of the image.
    header : float or None
        From `header_t_r`, seconds.
    is_exact : bool
        Whether it is written with its unit, as that of CIFTI is, and no placeholder.
    """
    if "RepetitionTime" not in metadata.values:
        return _without_sidecar(image, metadata, header)
    value, origin = metadata.values["RepetitionTime"], metadata.origins["RepetitionTime"]
    if not _is_number(value):
        return RepetitionTime(
            problem=f"{origin}: RepetitionTime is {_short(value)}, a number of seconds was "
            "expected. Correct it."
        )
    if not _is_plausible(value):
        return RepetitionTime(
            problem=f"{origin}: RepetitionTime is {_short(value)}; between {T_R_RANGE_S[0]:g} "
            f"and {T_R_RANGE_S[1]:g} s was expected. Correct it (in seconds, not milliseconds)."
        )
    return _compared(float(value), origin, image, header, is_exact=is_exact)


def _compared(
    t_r: float, origin: Path, image: Path, header: float | None, *, is_exact: bool
) -> RepetitionTime:
    if header is None or abs(header - t_r) <= T_R_TOLERANCE_S:
        return RepetitionTime(t_r=t_r)
    if not is_exact and _is_placeholder(header, t_r):
        return RepetitionTime(
            t_r=t_r,
            warning=f"The header of {image.name} has {header:g} s between volumes, which looks "
            f"like a placeholder; {t_r:g} s of {origin.name} is used.",
        )
    return RepetitionTime(
        problem=f"RepetitionTime is {t_r:g} s in {origin}, but {header:g} s in the header of "
        f"{image.name}. Find out which is true and correct the other."
    )


def _without_sidecar(image: Path, metadata: Metadata, header: float | None) -> RepetitionTime:
    if "VolumeTiming" in metadata.values:
        return RepetitionTime(
            problem=f"{metadata.origins['VolumeTiming']} has VolumeTiming and no RepetitionTime: "
            f"the volumes of {image.name} are not evenly spaced in time (sparse sampling), which "
            "bidsmask cannot clean."
        )
    if header is not None and _is_plausible(header):
        return RepetitionTime(
            t_r=header,
            warning=f"No sidecar of {image.name} has a RepetitionTime; {header:g} s of its "
            "header is used. Check it, and write it into the sidecar.",
        )
    said = "is not readable" if header is None else f"has {header:g} s, which cannot be it"
    return RepetitionTime(
        problem=f"No sidecar of {image.name} has a RepetitionTime, and its header {said}. Write "
        f'{{"RepetitionTime": seconds}} into {image.name.partition(".")[0]}.json beside it.'
    )


def _short(value: object) -> str:
    return repr(value)[:40]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plausible(seconds: float) -> bool:
    return T_R_RANGE_S[0] <= seconds <= T_R_RANGE_S[1]


def _is_placeholder(header: float, t_r: float) -> bool:
    if not math.isfinite(header) or header <= 0 or header == 1:
        return True
    return any(math.isclose(header, t_r * scale, rel_tol=1e-3) for scale in (1e3, 1e-3))


def _plain(value: Any) -> Any:
    """Scalars as they are; what could not be hashed or written to JSON, as JSON text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    scalar = value is None or isinstance(value, str | int | float)
    return value if scalar else json.dumps(value, sort_keys=True)


def _applies(file: ParsedName, name: ParsedName) -> bool:
    same_kind = (file.suffix, file.extension) == (name.suffix, name.extension)
    return same_kind and file.entities.items() <= name.entities.items()


def _folders_down_to(folder: Path, root: Path) -> Iterator[Path]:
    """`root` and each folder on the way to `folder`, which comes last."""
    current = root
    yield current
    for part in folder.relative_to(root).parts:
        current = current / part
        yield current


def _parsed(folder: Path) -> Iterator[tuple[Path, ParsedName]]:
    for name in sorted(_names(folder)):
        try:
            yield folder / name, parse_name(todays_name(name))
        except ValueError:
            continue  # not a BIDS name: a README, a hidden file, ...


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []  # the index has warned about a folder that cannot be listed


def todays_name(name: str) -> str:
    """Spell the names of tables as BIDS does.

    Those of confounds of fMRIPrep 1.0 and 1.1, and those of tedana with ``--convention orig``.

    Examples
    --------
    >>> todays_name("sub-01_task-rest_ica_mixing.tsv")
    'sub-01_task-rest_desc-ICA_mixing.tsv'
    """
    name = name.replace("_bold_confounds.", "_desc-confounds_regressors.")
    return _OF_TEDANA.sub(lambda found: _TODAY[found[0]], name)


def _missing(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return _not_fetched(path)
    return f"{path} cannot be read: {error.strerror}."


def _not_fetched(path: Path) -> str:
    return (
        f"The content of {path} is not here (its link leads nowhere). Fetch it with "
        f"`datalad get {shlex.quote(str(path))}`."
    )


def _starts_with(path: Path, text: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(text)) == text
