#!/usr/bin/env bash
# NiftiMapsMasker(allow_overlap=False) takes weights below zero for no weights.
#
# Seen with nilearn 0.14.1: a map of -1 has a signal of 0 throughout, and a map of -1 over one of +1 is not found
# to overlap. With allow_overlap=True the first is minus the mean of its voxels.
# Expected: the option looks for overlap and changes no number.
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
from nilearn.maskers import NiftiMapsMasker

rng = np.random.default_rng(0)
run = nib.Nifti1Image(rng.normal(100, 1, (8, 4, 4, 20)), np.eye(4))
maps = np.zeros((8, 4, 4, 2))
maps[:4, ..., 0], maps[4:, ..., 1] = -1, 1
apart = nib.Nifti1Image(maps, np.eye(4))
signals = {
    allow: NiftiMapsMasker(apart, allow_overlap=allow).fit_transform(run)[:, 0].mean()
    for allow in (True, False)
}
maps[3:, ..., 1] = 1
NiftiMapsMasker(nib.Nifti1Image(maps, np.eye(4)), allow_overlap=False).fit_transform(run)
print({allow: round(float(mean), 1) for allow, mean in signals.items()}, "and no error")
assert signals[True] < -99
assert signals[False] == 0, "the behaviour has changed"
PY
