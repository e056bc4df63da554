#!/usr/bin/env bash
# On surfaces, a small cluster survives if one of the other sign touches it.
#
# Seen with nilearn 0.14.1: threshold_img(cluster_threshold=5) of a surface takes neighbouring vertices
# above and below the threshold for one cluster: three vertices of +4 beside ten of -4 stay, three of
# +4 by themselves go. Of the same map as a volume both go. threshold_stats_img does alike.
# Expected: clusters of one sign, in volumes and on surfaces.
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

print("nilearn", nilearn.__version__)
from nilearn.image import threshold_img
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

# A ribbon of 20 x 2 points: as a surface, and as voxels.
places = np.array([[x, y, 0.0] for x in range(20) for y in range(2)])
faces = [[2 * x + a, 2 * x + b, 2 * x + 2] for x in range(19) for a, b in ((0, 1), (1, 3))]
statistic = np.zeros(40)
statistic[:10], statistic[10:13], statistic[30:33] = -4, 4, 4
mesh = PolyMesh(left=InMemoryMesh(places, np.array(faces)))
surface = SurfaceImage(mesh, {"left": statistic.copy()})
volume = nib.Nifti1Image(statistic.reshape(20, 2, 1), np.eye(4))
found = {
    "surface": threshold_img(surface, 3, cluster_threshold=5).data.parts["left"],
    "volume": threshold_img(volume, 3, cluster_threshold=5).get_fdata().ravel(),
}
for what, kept in found.items():
    print(f"{what:8} kept: {(kept < 0).sum()} negative, {(kept > 0).sum()} positive")
assert not (found["volume"] > 0).any()
assert (found["surface"] > 0).sum() == 3, "the behaviour has changed"
PY
