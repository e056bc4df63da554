#!/usr/bin/env bash
# Which samples vol_to_surf leaves out depends on how the image is stored.
#
# Seen with nilearn 0.14.1: an image and its copy with the first axis stored the other way round (RAS
# and LAS, every voxel at the same place in mm) give other values at the vertices near the edge of
# the image, and with mask_img other values and other missing vertices throughout. Whether a sample
# lies inside is asked of the voxel whose number is the coordinate cut off, not the one nearest to
# it: half a voxel off, to a side that depends on the storage. Up to one voxel beyond the last slice
# values are extrapolated; half a voxel before the centre of the first they are left out.
# Expected: the same values from the same image, whatever the order of its axes.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nilearn==0.14.1 nibabel==5.4.2 numpy==2.4.6 \
  pandas==3.1.1 scikit-learn==1.9.1 scipy==1.17.1
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import nibabel as nib
import nilearn
import numpy as np
from scipy.spatial import ConvexHull

print("nilearn", nilearn.__version__)
from nilearn.surface import InMemoryMesh, vol_to_surf

rng = np.random.default_rng(0)
values = rng.normal(100, 10, (10, 10, 10))
places = np.stack(np.meshgrid(*[np.arange(10) * 2 - 9] * 3, indexing="ij"), axis=-1)
inside = (np.linalg.norm(places, axis=-1) < 5.5).astype(np.uint8)
right = np.array([[2, 0, 0, -9], [0, 2, 0, -9], [0, 0, 2, -9], [0, 0, 0, 1.0]])
left = right.copy()
left[0] = [-2, 0, 0, 9]


def both(array):
    return nib.Nifti1Image(array, right), nib.Nifti1Image(array[::-1].copy(), left)


directions = rng.normal(size=(60, 3))
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
faces = ConvexHull(directions).simplices


def differing(radius, masks=(None, None)):
    mesh = InMemoryMesh(directions * radius, faces)
    one, other = (
        vol_to_surf(image, mesh, mask_img=mask) for image, mask in zip(both(values), masks)
    )
    same = np.isclose(one, other, atol=1e-6) | (np.isnan(one) & np.isnan(other))
    return int((~same).sum()), float(np.nanmax(np.abs(one - other)))


found = {
    "well inside": differing(5),
    "inside, with mask_img": differing(6, both(inside)),
    "near the edge": differing(9.6),
}
for what, (n, largest) in found.items():
    print(f"{what:22} {n} of 60 vertices differ, by up to {largest:.1f} (SD of the image 10)")
assert found["well inside"][0] == 0
assert found["inside, with mask_img"][0] > 20, "the behaviour has changed"
assert found["near the edge"][0] > 5, "the behaviour has changed"
PY
