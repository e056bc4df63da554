#!/usr/bin/env bash
# A model of site effects takes the age for the sex if the columns stand in another order.
#
# Seen with neuroHarmonize 2.5.2: harmonizationApply takes covariates by their place in the table, and
# not by their names. With the same subjects, values and names, but SEX before AGE, the slope of the
# one is multiplied by the other, and edges are off by up to 1.9 standard deviations. The model has
# the names ("Covariates") and does not compare them.
# Expected: the same result, or an error.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet neuroHarmonize==2.5.2 neuroCombat==0.2.12 nibabel==5.4.2 \
  numpy==1.26.4 pandas==2.3.3 scipy==1.17.1 statsmodels==0.15.0
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import contextlib
import io
from importlib.metadata import version

import numpy as np
import pandas as pd

print("neuroHarmonize", version("neuroHarmonize"))
from neuroHarmonize import harmonizationApply, harmonizationLearn

rng = np.random.default_rng(0)
people = pd.DataFrame(
    {"SITE": np.repeat(["A", "B"], 40), "AGE": rng.uniform(20, 80, 80), "SEX": np.tile([0, 1], 40)}
)
effects = 0.005 * people["AGE"] + 0.05 * people["SEX"] + 0.2 * (people["SITE"] == "B")
edges = effects.to_numpy()[:, None] + rng.normal(0, 0.1, size=(80, 10))
with contextlib.redirect_stdout(io.StringIO()):
    model, harmonised = harmonizationLearn(edges, people)
    same, exchanged = (
        harmonizationApply(edges, people[columns], model)
        for columns in (["SITE", "AGE", "SEX"], ["SITE", "SEX", "AGE"])
    )
spread = harmonised.std()
off = {name: float(np.abs(each - harmonised).max() / spread)
       for name, each in (("same order", same), ("other order", exchanged))}
print("largest difference from the harmonised training data, in standard deviations:", off)
assert off["same order"] < 1e-6
assert off["other order"] > 1, "the behaviour has changed"
PY
