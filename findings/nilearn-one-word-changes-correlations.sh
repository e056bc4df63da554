#!/usr/bin/env bash
# Two words for the same standard scores give two correlation matrices.
#
# Seen with nilearn 0.14.1: ConnectivityMeasure(kind='correlation') of signals in unlike units differs between
# standardize=True and standardize='zscore_sample': the first leaves the units in, and the
# Ledoit-Wolf shrinkage that follows depends on them.
# Expected: one matrix: a correlation has no unit.
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
from nilearn.connectome import ConnectivityMeasure

rng = np.random.default_rng(0)
signals = (rng.normal(size=(60, 1)) + rng.normal(size=(60, 5))) * np.array([1, 2, 5, 20, 100])
found = {
    word: ConnectivityMeasure(kind="correlation", standardize=word).fit_transform([signals])[0]
    for word in (True, "zscore_sample")
}
largest = float(np.abs(found[True] - found["zscore_sample"]).max())
print(f"largest difference {largest:.3f}")
assert largest > 0.001, "the behaviour has changed"
PY
