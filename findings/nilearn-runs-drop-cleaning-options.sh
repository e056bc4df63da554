#!/usr/bin/env bash
# NiftiMasker(runs=...) cleans each run without some of the options that were given.
#
# Seen with nilearn 0.14.1: clean_args and standardize_confounds have no effect as soon as runs are named: the
# filter has its default order, and confounds are centred.
# Expected: each run is cleaned as it is when it is given alone.
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
from nilearn.maskers import NiftiMasker

rng = np.random.default_rng(0)
values = 100 + rng.normal(size=(4, 4, 4, 80)).cumsum(axis=3)
run = nib.Nifti1Image(values, np.eye(4))
mask = nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4))
confounds = 5.0 + rng.normal(size=(80, 2))
halves = (slice(40), slice(40, 80))


def distance(confounds=None, **options):
    together = NiftiMasker(mask, runs=np.repeat([1, 2], 40), **options)
    alone = NiftiMasker(mask, **options)
    expected = np.vstack([
        alone.fit_transform(
            run.slicer[..., half], confounds=None if confounds is None else confounds[half]
        )
        for half in halves
    ])
    return float(np.abs(together.fit_transform(run, confounds=confounds) - expected).max())


usual = distance(high_pass=0.02, t_r=2.0)
first_order = distance(high_pass=0.02, t_r=2.0, clean_args={"butterworth__order": 1})
as_given = distance(confounds, standardize_confounds=False)
print(f"largest difference: defaults {usual:.2g}, filter of order 1 {first_order:.2g}, "
      f"confounds not standardised {as_given:.2g}")
assert usual < 1e-6
assert first_order > 0.1 and as_given > 1, "the behaviour has changed"
PY
