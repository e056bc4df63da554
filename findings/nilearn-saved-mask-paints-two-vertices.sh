#!/usr/bin/env bash
# With a mask of 0 and 1, SurfaceMapsMasker paints two vertices.
#
# Seen with nilearn 0.14.1: if mask_img holds 0 and 1 as integers, as every mask that was saved to GIFTI
# and read again (nilearn writes bool as uint8), inverse_transform takes them for the numbers of
# vertices: vertices 0 and 1 are painted, although the mask leaves both out, and all others are 0.
# transform, and inverse_transform with the same mask as bool, use the 50 vertices of the mask.
# Expected: the vertices of the mask, whatever its type.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nilearn==0.14.1 nibabel==5.4.2 numpy==2.4.6 \
  pandas==3.1.1 scikit-learn==1.9.1 scipy==1.17.1
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import nilearn
import numpy as np
from scipy.spatial import ConvexHull

print("nilearn", nilearn.__version__)
from nilearn.maskers import SurfaceMapsMasker
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

rng = np.random.default_rng(0)


def ball():
    points = rng.normal(size=(30, 3))
    points *= 50 / np.linalg.norm(points, axis=1, keepdims=True)
    return InMemoryMesh(points, ConvexHull(points).simplices)


mesh = PolyMesh(left=ball(), right=ball())


def image(values):
    return SurfaceImage(mesh, {"left": values[:30], "right": values[30:]})


maps, run = image(rng.random((60, 3))), image(rng.normal(size=(60, 20)))
inside = np.arange(60) >= 10
inside_of = {"bool": image(inside)}
inside_of["bool"].data.to_filename("mask.gii")
inside_of["saved and read"] = SurfaceImage(
    mesh, {"left": "mask_hemi-L.gii", "right": "mask_hemi-R.gii"}
)
painted = {}
for what, mask in inside_of.items():
    masker = SurfaceMapsMasker(maps, mask_img=mask)
    parts = masker.inverse_transform(masker.fit_transform(run)).data.parts
    painted[what] = np.flatnonzero(np.vstack([parts["left"], parts["right"]]).any(axis=1))
    print(f"mask {what:15} {len(painted[what])} vertices painted, from", painted[what][:2])
assert np.array_equal(painted["bool"], np.flatnonzero(inside))
assert painted["saved and read"].tolist() == [0, 1], "the behaviour has changed"
PY
