#!/usr/bin/env bash
# The mean of a sphere in an image of integers is cut to an integer.
#
# Seen with nilearn 0.14.1: NiftiSpheresMasker gives 100.0 where half of the voxels hold 100 and half 101; a weak
# signal becomes a staircase. The same run stored as floats gives 100.5.
# Expected: 100.5, as NiftiLabelsMasker gives for the same voxels, however the run is stored.
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
from nilearn.maskers import NiftiLabelsMasker, NiftiSpheresMasker

values = np.full((7, 7, 7, 6), 100, np.int16)
values[:, :, ::2] = 101
expected = None
found = {}
for kind in (np.int16, np.float32):
    run = nib.Nifti1Image(values.astype(kind), np.eye(4))
    sphere = NiftiSpheresMasker([(3, 3, 3)], radius=2.1)
    found[np.dtype(kind).name] = float(sphere.fit_transform(run)[0, 0])
place = np.indices((7, 7, 7)) - 3
inside = ((place**2).sum(axis=0) <= 2.1**2).astype(np.int32)
region = NiftiLabelsMasker(nib.Nifti1Image(inside, np.eye(4)))
found["labels, int16"] = float(region.fit_transform(
    nib.Nifti1Image(values, np.eye(4)))[0, 0])
print(found)
assert found["int16"] % 1 == 0, "the behaviour has changed"
assert found["float32"] % 1 > 0.1
PY
