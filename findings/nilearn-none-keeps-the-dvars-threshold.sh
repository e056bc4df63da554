#!/usr/bin/env bash
# A threshold that is switched off with None stays on.
#
# Seen with nilearn 0.14.1: load_confounds_strategy(…, "scrubbing", std_dvars_threshold=None) leaves
# out volumes with a standardized DVARS above 1.5, as if nothing had been said: None is taken for
# "not given". load_confounds takes the same None for "no threshold". Strategies that are published
# as files with null there (scrubbing.5 and scrubbing.2 of giga_connectome 0.6 and of the benchmark
# of Wang et al. 2024, doi:10.1371/journal.pcbi.1011942) were therefore computed with the threshold.
# Expected: None switches the threshold off in both, or is refused.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nilearn==0.14.1 nibabel==5.4.2 numpy==2.4.6 \
  pandas==3.1.1 scikit-learn==1.9.1 scipy==1.17.1
cd "$folder"
venv/bin/python -W ignore - <<'PY'
from pathlib import Path

import nilearn
import numpy as np
import pandas as pd

print("nilearn", nilearn.__version__)
from nilearn.interfaces.fmriprep import load_confounds, load_confounds_strategy

rng = np.random.default_rng(0)
expansions = ("", "_derivative1", "_power2", "_derivative1_power2")
names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
names += ["csf", "white_matter"]
table = pd.DataFrame({n + e: rng.normal(size=100) for n in names for e in expansions})
table["cosine00"] = np.cos(np.pi * (np.arange(100) + 0.5) / 100)
table["framewise_displacement"], table["std_dvars"] = 0.1, 1.0
table.loc[40, "std_dvars"] = 1.7
run = Path("sub-01_task-rest_space-T1w_desc-preproc_bold.nii.gz")
run.touch()
tsv = Path("sub-01_task-rest_desc-confounds_timeseries.tsv")
table.to_csv(tsv, sep="\t", index=False)
tsv.with_suffix(".json").write_text("{}")

asked = {"fd_threshold": 0.5, "std_dvars_threshold": None}
_, preset = load_confounds_strategy(str(run), denoise_strategy="scrubbing", **asked)
parts = ("high_pass", "motion", "wm_csf", "scrub")
_, by_parts = load_confounds(str(run), strategy=parts, wm_csf="full", **asked)
print("volume 40, DVARS 1.7, threshold None:")
print("  load_confounds          ", "kept" if by_parts is None else "left out")
print("  load_confounds_strategy ", "kept" if preset is None else "left out")
assert by_parts is None, "the behaviour has changed"
assert preset is not None and 40 not in preset, "the behaviour has changed"
PY
