#!/usr/bin/env bash
# Clusters on a surface are runs of vertex numbers, not of neighbours on the mesh.
#
# Seen with nilearn 0.14.1: cluster_level_inference of a surface joins vertices whose numbers follow
# each other, and never looks at the triangles. One patch of neighbours falls into many clusters of
# a few vertices, and what is reported as the proportion of true discoveries of a cluster changes if
# the same mesh with the same values is numbered in another order.
# Expected: connected vertices of the mesh, as threshold_img takes them, whatever their numbers.
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
from nilearn.glm import cluster_level_inference
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage
from nilearn.surface.surface import find_surface_clusters

rng = np.random.default_rng(0)
places = rng.normal(size=(600, 3))
places /= np.linalg.norm(places, axis=1, keepdims=True)
statistic = 2.2 * (places[:, 0] > 0.6) + 0.8 * rng.normal(size=600) + 0.5
faces = ConvexHull(places).simplices


def proportions(order):
    """Values in the order of the first numbering, and the clusters of the mesh."""
    number = np.argsort(order)
    mesh = InMemoryMesh(places[order], number[faces])
    whole = PolyMesh(left=mesh, right=mesh)
    image = SurfaceImage(whole, {side: statistic[order] for side in ("left", "right")})
    found = cluster_level_inference(image, threshold=1.5).data.parts["left"].ravel()[number]
    _, clusters = find_surface_clusters(mesh, statistic[order] > 1.5)
    return found, clusters[number]


as_is, clusters = proportions(np.arange(600))
renumbered, _ = proportions(rng.permutation(600))
along_x, _ = proportions(np.argsort(-places[:, 0]))
patch = clusters == np.bincount(clusters[clusters > 0]).argmax()
print("proportions of true discoveries in the largest cluster of the mesh,", patch.sum(), "vertices:")
for what, found in (("as it is", as_is), ("in random order", renumbered), ("along x", along_x)):
    values = np.unique(found[patch].round(3))
    print(f"  numbered {what:16} {len(values)} of them, {values.min()} to {values.max()}")
    assert len(values) > 1, "the behaviour has changed"
assert np.abs(as_is - renumbered).max() > 0.5, "the behaviour has changed"
assert as_is[patch].max() > 2 * along_x[patch].max()
PY
