#!/usr/bin/env bash
# One vertex by itself in the mask scatters the parcels of a surface.
#
# Seen with nilearn 0.14.1: Parcellations (ward, complete, average and rena) of surfaces number the
# vertices of the mask by those that have a neighbour in it. A vertex whose neighbours are all masked
# (NaN, medial wall) is not counted, and from there on each vertex has the neighbours of another. Of
# spatially constrained clusters, each in one piece, six lie in 68 pieces; the other hemisphere,
# whose mask is whole, is unharmed. Nothing is said.
# Expected: parcels in one piece, and the single vertex as one of its own.
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
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull

print("nilearn", nilearn.__version__)
from nilearn.regions import Parcellations
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

rng = np.random.default_rng(0)
places = rng.normal(size=(400, 3))
places /= np.linalg.norm(places, axis=1, keepdims=True)
faces = ConvexHull(places).simplices
edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
half = coo_matrix((np.ones(len(edges)), edges.T), (400, 400)).tocsr()
neighbours = (half + half.T) > 0
hemisphere = InMemoryMesh(places * 50, faces)
mesh = PolyMesh(left=hemisphere, right=hemisphere)
run = {
    side: places @ rng.normal(size=(3, 60)) + rng.normal(size=(400, 60))
    for side in ("left", "right")
}
whole = np.ones(400, bool)
with_island = whole.copy()
with_island[neighbours[5].indices] = False
pieces = {}
for what, left in (("whole", whole), ("with an island", with_island)):
    mask = SurfaceImage(mesh, {"left": left, "right": whole})
    parcels = Parcellations("ward", n_parcels=20, mask=mask, standardize=None, smoothing_fwhm=None)
    parts = parcels.fit(SurfaceImage(mesh, run)).labels_img_.data.parts
    for side in ("left", "right"):
        labels = parts[side].ravel()
        within = [labels == each for each in np.unique(labels[labels > 0])]
        pieces[what, side] = [connected_components(neighbours[w][:, w])[0] for w in within]
        print(f"mask {what:15} {side:5} {len(within)} parcels in {sum(pieces[what, side])} pieces")
assert max(pieces["whole", "left"] + pieces["whole", "right"]) == 1
assert max(pieces["with an island", "right"]) == 1
assert sum(pieces["with an island", "left"]) > 40, "the behaviour has changed"
PY
