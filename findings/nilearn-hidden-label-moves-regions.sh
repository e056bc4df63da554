#!/usr/bin/env bash
# A mask that hides one label of an atlas moves what NiftiLabelsMasker paints to other regions.
#
# Seen with nilearn 0.14.1: inverse_transform gives label 5 the value of label 3, which the mask hides, and
# label 8 that of label 5, with keep_masked_labels=True as well.
# Expected: each column is painted into the region it was taken from.
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
labels = np.zeros((9, 4, 4), np.int32)
labels[0:3], labels[3:6], labels[6:9] = 3, 5, 8
atlas = nib.Nifti1Image(labels, np.eye(4))
mask = nib.Nifti1Image((labels != 3).astype(np.uint8), np.eye(4))

from nilearn.maskers import NiftiLabelsMasker

rng = np.random.default_rng(0)
run = nib.Nifti1Image(rng.normal(100, 1, (*labels.shape, 20)), np.eye(4))
masker = NiftiLabelsMasker(atlas, mask_img=mask, keep_masked_labels=True)
columns = masker.fit_transform(run).shape[1]
painted = masker.inverse_transform(np.array([3.0, 5.0, 8.0])).get_fdata()
found = {label: float(np.unique(painted[labels == label])[0]) for label in (5, 8)}
print(columns, "columns; painted into", found)
assert columns == 3
assert found == {5: 3.0, 8: 5.0}, "the behaviour has changed"
PY
