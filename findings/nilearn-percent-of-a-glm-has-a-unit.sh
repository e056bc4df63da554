#!/usr/bin/env bash
# The percent signal change of a GLM depends on the unit of the image.
#
# Seen with nilearn 0.14.1: FirstLevelModel divides a voxel by its mean, but by 1 if the mean is less
# than 1. In a run that was divided by its grand mean (values around 1), a response of 5 % has an
# effect of 5 where the voxel is brighter than average and of 2.5 where it is half as bright; in a run
# stored in thousandths all effects are 1000 times too small. There is no word about it.
# Expected: 5 everywhere: a percentage has no unit.
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
import pandas as pd

print("nilearn", nilearn.__version__)
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix

events = pd.DataFrame({"onset": [20, 80, 140], "duration": 20, "trial_type": "task"})
response = make_first_level_design_matrix(2.0 * np.arange(100), events)["task"].to_numpy()
response = response - response.mean()
bright = np.array([1500.0, 500.0])
values = bright[:, None] * (1 + 0.05 * response)
mask = nib.Nifti1Image(np.ones((2, 1, 1), np.uint8), np.eye(4))
found = {}
for what, unit in (("as measured", 1), ("divided by 1000", 1000), ("by a million", 1e6)):
    run = nib.Nifti1Image((values / unit).reshape(2, 1, 1, 100), np.eye(4))
    model = FirstLevelModel(t_r=2.0, mask_img=mask, noise_model="ols").fit(run, events)
    effect = model.compute_contrast("task", output_type="effect_size").get_fdata().ravel()
    found[what] = effect
    print(f"{what:16} effects of a response of 5 %: {effect[0]:.4f} {effect[1]:.4f}")
assert np.allclose(found["as measured"], 5, atol=0.01)
assert np.allclose(found["divided by 1000"], [5, 2.5], atol=0.01), "the behaviour has changed"
assert found["by a million"].max() < 0.01, "the behaviour has changed"
PY
