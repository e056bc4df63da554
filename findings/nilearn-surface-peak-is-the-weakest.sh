#!/usr/bin/env bash
# The peak of a negative cluster on a surface is its weakest vertex.
#
# Seen with nilearn 0.14.1: get_clusters_table(two_sided=True) of a surface lists the maximum of each
# cluster as "Peak Stat": -3.1 for a cluster that reaches -6, always just beyond the threshold. For
# positive clusters, and for the same map as a volume, the peak is the value farthest from 0.
# Expected: -6.
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
from nilearn.reporting import get_clusters_table
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

# A ribbon of 20 x 2 points: as a surface, and as voxels.
places = np.array([[x, y, 0.0] for x in range(20) for y in range(2)])
faces = [[2 * x + a, 2 * x + b, 2 * x + 2] for x in range(19) for a, b in ((0, 1), (1, 3))]
statistic = np.zeros(40)
statistic[30:36] = 3.1, 4, 6, 5, 4, 3.2
statistic[2:8] = -statistic[30:36]
mesh = PolyMesh(left=InMemoryMesh(places, np.array(faces)))
images = {
    "surface": SurfaceImage(mesh, {"left": statistic}),
    "volume": nib.Nifti1Image(statistic.reshape(20, 2, 1), np.eye(4)),
}
peaks = {}
for what, image in images.items():
    peaks[what] = get_clusters_table(image, 3, two_sided=True)["Peak Stat"].tolist()
    print(f"{what:8} peaks: {peaks[what]}")
assert peaks["volume"] == [6, -6]
assert peaks["surface"] == [6, -3.1], "the behaviour has changed"
PY
