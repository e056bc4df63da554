#!/usr/bin/env bash
# A region without data becomes the hub of the thresholded network.
#
# Seen with bctpy 0.6.1: in a matrix with one region of NaN (not covered, as pipelines write it),
# threshold_proportional sorts NaN before all numbers and keeps them as the strongest links: of the
# 10 % of 50 regions, 122 links, 49 go to the region that has no data, a part of the rest on one side
# of the matrix only. binarize makes 1 of NaN, and the region is linked with all others.
# Nothing is said. Expected: no link of what is not known, or an error.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bctpy==0.6.1 numpy==2.4.6 scipy==1.17.1
cd "$folder"
venv/bin/python -W error - <<'PY'
from importlib.metadata import version

import bct
import numpy as np

print("bctpy", version("bctpy"))
rng = np.random.default_rng(0)
weights = np.corrcoef(rng.normal(size=(200, 1)) + rng.normal(size=(200, 50)), rowvar=False)
missing = weights.copy()
missing[3] = missing[:, 3] = np.nan
found = {}
for what, matrix in (("whole", weights), ("region 3 missing", missing)):
    kept = bct.threshold_proportional(matrix, 0.1)
    links = bct.binarize(kept)
    degrees = links.sum(axis=0).astype(int)
    found[what] = degrees
    print(f"{what:17} degree of region 3: {degrees[3]}; of others: at most "
          f"{np.delete(degrees, 3).max()}; symmetric: {np.array_equal(links, links.T)}")
assert found["whole"][3] < 10
assert found["region 3 missing"][3] == 49, "the behaviour has changed"
PY
