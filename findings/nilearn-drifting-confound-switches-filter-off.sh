#!/usr/bin/env bash
# A confound that drifts switches the cosine filter of nilearn.signal.clean off.
#
# Seen with nilearn 0.14.1: with filter='cosine' and a confound that correlates with a slow cosine, no cosine is
# regressed: slow waves stay in the signals. Without that confound they are taken out.
# Expected: the filter that was asked for.
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

slow = np.cos(np.outer((np.arange(100) + 0.5) * np.pi / 100, [1, 2, 3, 4]))
rng = np.random.default_rng(0)
signals = slow @ rng.normal(size=(4, 3)) + rng.normal(size=(100, 3))
options = {"standardize": None, "t_r": 2.0, "filter": "cosine", "high_pass": 0.0113}
confounds = {
    "noise": rng.normal(size=(100, 1)),
    "drift": slow[:, :1] + 0.1 * rng.normal(size=(100, 1)),
}
left = {
    name: float(np.abs(slow.T @ clean(signals.copy(), confounds=confound, **options)).max())
    for name, confound in confounds.items()
}
print("slow waves left:", {name: round(size, 3) for name, size in left.items()})
assert left["noise"] < 1e-6
assert left["drift"] > 1, "the behaviour has changed"
PY
