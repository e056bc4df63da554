"""Brain masks from the templates of TemplateFlow; those on this machine come first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from bidsmask.dataset.templates import command, download, template_homes
from bidsmask.errors import AtlasError
from bidsmask.images.masks import brain_mask_from_template

TEMPLATE = "tpl-MNI152NLin2009cAsym"
"""Template that fMRIPrep normalises to."""

_FILES = {
    "whole-brain": f"{TEMPLATE}_res-01_desc-brain_mask.nii.gz",
    "gm": f"{TEMPLATE}_res-01_label-GM_probseg.nii.gz",
    "wm": f"{TEMPLATE}_res-01_label-WM_probseg.nii.gz",
}


def compute_brain_mask(
    target_img: Any,
    threshold: float = 0.5,
    connected: bool | None = None,
    opening: int | bool | None = None,
    *,
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
    mask_type : {"whole-brain", "gm", "wm"}

    Returns
    -------
    mask : nibabel image of uint8

    Raises
    ------
    AtlasError
        If the template is not on this machine and cannot be downloaded.

    Notes
    -----
    The template is MNI152NLin2009cAsym. nilearn thresholds the intensities of another one (2009a,
    symmetric), and opens tissues as it opens brains, which costs nine tenths of the grey matter.

    References
    ----------
    Fonov et al. (2009), doi:10.1016/S1053-8119(09)70884-5
    """
    if mask_type not in _FILES:
        raise ValueError(f"'mask_type' must be one of {list(_FILES)}, not {mask_type!r}.")
    is_brain = mask_type == "whole-brain"
    return brain_mask_from_template(
        target_img,
        _template(_FILES[mask_type]),
        threshold=threshold,
        connected=is_brain if connected is None else connected,
        opening=(2 if is_brain else 0) if opening is None else opening,
    )


def compute_multi_brain_mask(
    target_imgs: Sequence[Any],
    threshold: float = 0.5,
    connected: bool | None = None,
    opening: int | bool | None = None,
    *,
    mask_type: Literal["whole-brain", "gm", "wm"] = "whole-brain",
) -> Any:
    """Mask the brain in images on one grid, that of the first; see `compute_brain_mask`."""
    if not len(target_imgs):
        raise TypeError("An empty object was passed where a list of images was expected.")
    return compute_brain_mask(target_imgs[0], threshold, connected, opening, mask_type=mask_type)


def _template(name: str) -> Path:
    """Path of a file of the template, fetched if it is not there."""
    for home in template_homes():
        if (home / TEMPLATE / name).is_file() and (home / TEMPLATE / name).stat().st_size:
            return home / TEMPLATE / name
    try:
        return download(name)
    except (OSError, RuntimeError, ValueError) as error:
        raise AtlasError(
            f"{name} is not on this machine, and TemplateFlow could not be asked for it "
            f"({error}). Fetch it where there is a network: {command(name)}"
        ) from error
