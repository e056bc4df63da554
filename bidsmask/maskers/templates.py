"""Brain masks and pictures from templates.

The masks come with bidsmask, so that they are the same on every machine. Pictures are looked for
in TemplateFlow's folders. Nothing is ever fetched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bidsmask._typing import FloatArray
from bidsmask.dataset.data import TEMPLATES_FOLDER
from bidsmask.dataset.templates import entities_in, space_of, template_homes
from bidsmask.errors import BidsmaskError, SpaceError
from bidsmask.images.grid import Grid
from bidsmask.images.masks import brain_mask_from_template
from bidsmask.images.series import open_series
from bidsmask.numerics.resample import resample_continuous

TEMPLATE = "tpl-MNI152NLin2009cAsym"
"""Template that fMRIPrep normalises to."""

_NO_SPACE = (
    "no file name says in which space the outlines are; where they do not follow the template, "
    "it is another one"
)

_PLAIN = {"tpl", "cohort", "res", "desc"}
"""Entities in the name of an image of a whole head; others are of parts and other spaces."""

_TISSUES = "tpl-MNI152NLin2009aSym"

_FILES = {
    "whole-brain": f"{TEMPLATE}/{TEMPLATE}_res-01_desc-brain_mask.nii.gz",
    "gm": f"{_TISSUES}/{_TISSUES}_res-02_label-GM_probseg.nii.gz",
    "wm": f"{_TISSUES}/{_TISSUES}_res-02_label-WM_probseg.nii.gz",
}


def compute_brain_mask(
    target_img: Any,
    threshold: float = 0.5,
    connected: bool | None = None,
    opening: int | bool | None = None,
    memory: Any = None,
    verbose: int = 0,
    mask_type: Literal["whole-brain", "gm", "wm"] = "whole-brain",
) -> Any:
    """Mask the brain, or one of its tissues, in an image that lies in MNI space.

    Parameters
    ----------
    target_img : image
        Only its lattice counts.
    threshold : float
        From which value of the template's mask, or probability of the tissue, on a voxel is in.
    connected : bool, optional
        Whether to keep only the largest group of voxels. By default for the whole brain only.
    opening : int or bool, optional
        Voxels by which the mask is opened and closed. By default 2 for the whole brain and 0 for
        tissues.
    memory, verbose : optional
        For scripts written for nilearn. There is nothing to keep, and nothing to say.
    mask_type : {"whole-brain", "gm", "wm"}

    Returns
    -------
    mask : nibabel image of uint8

    Raises
    ------
    ValueError
        If there is no such mask.

    See Also
    --------
    bidsmask.compute_epi_mask : From the images alone, in whatever space they are.
    bidsmask.NiftiMasker : With ``mask_strategy="whole-brain-template"``.

    Notes
    -----
    The brain is that of MNI152NLin2009cAsym; nilearn thresholds the intensities of another
    template. Tissues are those of MNI152NLin2009aSym as in nilearn, here on voxels of 2 mm; it
    opens them as it opens brains, which costs nine tenths of the grey matter.

    References
    ----------
    Fonov et al. (2009), doi:10.1016/S1053-8119(09)70884-5

    Examples
    --------
    >>> import nibabel as nib
    >>> affine = np.diag([8.0, 8, 8, 1])
    >>> affine[:3, 3] = -90, -126, -72
    >>> run = nib.Nifti1Image(np.zeros((23, 28, 24, 2), dtype=np.float32), affine)
    >>> mask = compute_brain_mask(run)
    >>> litres = np.asarray(mask.dataobj).sum() * 8**3 / 1e6
    >>> bool(1.5 < litres < 2)
    True
    """
    if mask_type not in _FILES:
        raise ValueError(
            f"Unknown mask type {mask_type}. 'mask_type' must be one of {list(_FILES)}."
        )
    is_brain = mask_type == "whole-brain"
    return brain_mask_from_template(
        target_img,
        TEMPLATES_FOLDER / _FILES[mask_type],
        threshold=threshold * (1 if is_brain else 100),  # tissues are in per cent
        connected=is_brain if connected is None else connected,
        opening=(2 if is_brain else 0) if opening is None else opening,
    )


def compute_multi_brain_mask(
    target_imgs: Sequence[Any],
    threshold: float = 0.5,
    connected: bool | None = None,
    opening: int | bool | None = None,
    memory: Any = None,
    verbose: int = 0,
    mask_type: Literal["whole-brain", "gm", "wm"] = "whole-brain",
) -> Any:
    """Mask the brain in images on one grid; see `compute_brain_mask`.

    Raises
    ------
    SpaceError
        If they lie on different grids.

    See Also
    --------
    compute_brain_mask : For one image.

    Examples
    --------
    >>> import nibabel as nib
    >>> affine = np.diag([8.0, 8, 8, 1])
    >>> affine[:3, 3] = -90, -126, -72
    >>> run = nib.Nifti1Image(np.zeros((23, 28, 24), dtype=np.float32), affine)
    >>> compute_multi_brain_mask([run, run]).shape
    (23, 28, 24)
    """
    if not len(target_imgs):
        raise TypeError("An empty object was passed where a list of images was expected.")
    grids = [open_series(img).grid for img in target_imgs]
    for number, grid in enumerate(grids):
        if grid != grids[0]:
            raise SpaceError(
                f"Field of view of image #{number} is different from reference FOV. It lies on "
                f"{grid}, the first one on {grids[0]}. Resample it first."
            )
    return compute_brain_mask(target_imgs[0], threshold, connected, opening, mask_type=mask_type)


def anatomy_of(space: str) -> Path | None:
    """Find a T1-weighted image of a template; on this machine only.

    Parameters
    ----------
    space : str
        Name of the template, such as MNI152NLin2009cAsym; with a cohort, MNIInfant+1.

    Returns
    -------
    path : Path or None
        Of several, that of the whole head before that of the brain, and the coarsest: it is to
        be looked at. None if there is none.
    """
    for home in template_homes():
        folder = home / f"tpl-{space.partition('+')[0]}"
        found = [path for path in folder.rglob("*_T1w.nii.gz") if _shows(path, space)]
        if found:
            return min(found, key=_preference)
    return None


def _shows(path: Path, space: str) -> bool:
    entities = entities_in(path.name)
    if not set(entities) <= _PLAIN or space_of(entities) != space:
        return False
    return path.is_file() and path.stat().st_size > 0  # TemplateFlow keeps places with empty files


def _preference(path: Path) -> tuple[bool, int, str]:
    entities = entities_in(path.name)
    resolution = entities.get("res", "0")
    coarse = -int(resolution) if resolution.isdigit() else 0
    return "desc" in entities, coarse, path.name


@dataclass(frozen=True, kw_only=True, eq=False)
class Beneath:
    """What lies beneath the outlines in a picture.

    Parameters
    ----------
    volume : array of shape (X, Y, Z), or None
        Finite. None: the outlines are drawn alone.
    grid : Grid or None
        Of `volume`.
    words : str
        What it is, as a sentence.
    note : str
        What the reader has to beware of.
    """

    volume: FloatArray | None = None
    grid: Grid | None = None
    words: str = ""
    note: str = ""

    def on(self, grid: Grid) -> FloatArray | None:
        """Interpolate linearly on a grid."""
        if self.volume is None or self.grid is None or self.grid == grid:
            return self.volume
        return resample_continuous(self.volume, self.grid.affine, grid.shape, grid.affine, order=1)


def template_beneath(file_names: Mapping[str, str]) -> Beneath:
    """Find a template to lie beneath outlines where there is no run.

    Parameters
    ----------
    file_names : mapping of str to str
        Names of files by what they are called to the reader. The first that states a space says
        of which template; if none does, it is that of fMRIPrep, and the note says so.

    Returns
    -------
    beneath : Beneath
    """
    stated = _stated_space(file_names)
    what, space = stated or ("", TEMPLATE.removeprefix("tpl-"))
    reason = f"the space that the file name of {what} states" if stated else _NO_SPACE
    path = anatomy_of(space)
    if path is None:
        return Beneath(
            note="No image was given to fit, and the folders of TemplateFlow on this machine hold "
            f"no T1-weighted image of {space} ({reason}): the outlines are drawn alone."
        )
    try:
        series = open_series(path)
        volume = np.nan_to_num(series.single().astype(np.float32), posinf=0, neginf=0)
    except (BidsmaskError, OSError, ValueError) as error:
        return Beneath(
            note="No image was given to fit, and the template cannot be read: the outlines are "
            f"drawn alone. {error}"
        )
    return Beneath(
        volume=volume,
        grid=series.grid,
        words=f"Beneath the outlines: the template {space} ({path.name}), not a run.",
        note=f"No image was given to fit: the outlines lie on the template {space} ({reason}).",
    )


def _stated_space(file_names: Mapping[str, str]) -> tuple[str, str] | None:
    for what, name in file_names.items():
        space = space_of(entities_in(name))
        if space is not None:
            return what, space
    return None
