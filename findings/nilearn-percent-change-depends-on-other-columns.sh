#!/usr/bin/env bash
# Percent signal change of one column depends on what other columns are cleaned with it.
#
# Seen with nilearn 0.14.1: behind a band-pass with a sample_mask, a column that wanders around 3 has a standard
# deviation of 1193 % when cleaned alone and of 118 % together with a column around 1000.
# Expected: the same number both times: columns have nothing to do with each other.
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
from nilearn.signal import clean

signals = np.random.default_rng(0).normal(size=(80, 2)).cumsum(axis=0) + np.array([3, 1000])
kept = np.delete(np.arange(80), range(10, 16))
options = {"standardize": "psc", "high_pass": 0.01, "low_pass": 0.1, "t_r": 2.0}
alone = clean(signals[:, :1].copy(), sample_mask=kept.copy(), **options)[:, 0].std()
together = clean(signals.copy(), sample_mask=kept.copy(), **options)[:, 0].std()
print(f"alone {alone:.0f} %, together {together:.0f} %")
assert round(float(alone)) == 1193 and round(float(together)) == 118, "the behaviour has changed"
PY
