#!/usr/bin/env bash
# A surface parcellation of more than 255 regions loses the others when it is saved.
#
# Seen with nilearn 0.14.1: SurfaceImage.data.to_filename writes data of uint16, uint32 and uint64 as
# uint8 without a word: of 400 regions 256 numbers come back, region 300 as 44, region 256 as
# background. int16 and int64 are written as int32, and come back whole.
# Expected: int32, or an error.
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

print("nilearn", nilearn.__version__)
from nilearn.surface import PolyData, load_surf_data

labels = np.arange(401)
found = {}
for kind in (np.int16, np.uint16, np.uint32):
    PolyData(left=labels.astype(kind), right=labels.astype(kind)).to_filename("atlas.gii")
    read = load_surf_data("atlas_hemi-L.gii")
    found[kind] = len(np.unique(read))
    print(f"{np.dtype(kind).name:7} {len(np.unique(labels))} labels saved, {found[kind]} read;",
          "region 300 is", int(read[300]))
assert found[np.int16] == 401
assert found[np.uint16] == found[np.uint32] == 256, "the behaviour has changed"
PY
