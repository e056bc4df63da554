"""Write the smallest BIDS-Atlas dataset that bidsmask can use, into the folder ``atlas`` here.

Usage: python descriptors/examples/make_atlas.py

Two regions, the left and the right half of the template's box, on a grid of 10 mm: an atlas need
not have the resolution of the BOLD.
"""

import json
from pathlib import Path

import numpy as np

from bidsmask.images.grid import Grid
from bidsmask.images.io import save_image

SPACE = "MNI152NLin2009cAsym"
ROOT = Path(__file__).parent / "atlas"
VOXEL_MM = 10.0
FIRST_VOXEL_MM = (-95.0, -130.0, -75.0)
SHAPE = (20, 23, 19)


def write(root: Path = ROOT) -> None:
    """Write image, table, and the two descriptions that BIDS asks for."""
    folder = root / f"tpl-{SPACE}" / "anat"
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = FIRST_VOXEL_MM
    labels = np.ones(SHAPE, dtype=np.int16)
    labels[SHAPE[0] // 2 :] = 2  # x grows to the right
    stem = f"tpl-{SPACE}_atlas-Halves_dseg"
    save_image(folder / f"{stem}.nii.gz", labels, Grid(shape=SHAPE, affine=affine))
    (folder / f"{stem}.tsv").write_text("index\tname\n1\tLeft\n2\tRight\n")
    _describe(root / "atlas-Halves_description.json", Name="Halves", License="CC0")
    _describe(
        root / "dataset_description.json",
        Name="Halves of the brain",
        BIDSVersion="1.11.1",
        DatasetType="atlas",
        License="CC0",
    )


def _describe(path: Path, **values: str) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    write()
