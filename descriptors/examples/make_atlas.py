"""Write the smallest BIDS-Atlas dataset that bidsmask can use, into the folder ``atlas`` here.

Usage: python descriptors/examples/make_atlas.py

Two regions, the left and the right half of the template's box, on a grid of 10 mm: an atlas need
not have the resolution of the BOLD. It comes as labels (``--atlases Halves``) and as two maps with
weights, of which one fades into the other (``--atlases Halves_probseg``).
"""

import json
from pathlib import Path

import numpy as np

from bidsmask.images.grid import Grid
from bidsmask.images.io import image_bytes

SPACE = "MNI152NLin2009cAsym"
ROOT = Path(__file__).parent / "atlas"
VOXEL_MM = 10.0
FIRST_VOXEL_MM = (-95.0, -130.0, -75.0)
SHAPE = (20, 23, 19)
FADING_MM = 20.0


def write(root: Path = ROOT) -> None:
    """Write images, their names of regions, and the two descriptions that BIDS asks for."""
    folder = root / f"tpl-{SPACE}" / "anat"
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = FIRST_VOXEL_MM
    grid, stem = Grid(shape=SHAPE, affine=affine), f"tpl-{SPACE}_atlas-Halves"
    labels = np.ones(SHAPE, dtype=np.int16)
    labels[SHAPE[0] // 2 :] = 2  # x grows to the right
    (folder / f"{stem}_dseg.nii.gz").write_bytes(image_bytes(labels, grid))
    (folder / f"{stem}_dseg.tsv").write_text("index\tname\n1\tLeft\n2\tRight\n")
    (folder / f"{stem}_probseg.nii.gz").write_bytes(image_bytes(_maps(), grid))
    _describe(folder / f"{stem}_probseg.json", LabelMap=["Left", "Right"])
    _describe(root / "atlas-Halves_description.json", Name="Halves", License="CC0")
    _describe(
        root / "dataset_description.json",
        Name="Halves of the brain",
        BIDSVersion="1.11.1",
        DatasetType="atlas",
        License="CC0",
    )


def _maps() -> np.ndarray:
    """Weights of the left and of the right half, (X, Y, Z, 2); the two sum to 1."""
    x_mm = FIRST_VOXEL_MM[0] + VOXEL_MM * np.arange(SHAPE[0])
    right = 1 / (1 + np.exp(-x_mm / FADING_MM))
    weights = np.stack([1 - right, right], axis=-1)[:, None, None, :]
    return np.broadcast_to(weights, (*SHAPE, 2)).astype(np.float32)


def _describe(path: Path, **values: str | list[str]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    write()
