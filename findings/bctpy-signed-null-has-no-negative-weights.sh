#!/usr/bin/env bash
# The null model of a signed network has no negative weights.
#
# Seen with bctpy 0.6.1: null_model_und_sign, which is to keep the positive and negative degrees and
# strengths of a network, takes the sign of negative weights twice: all of them come out positive.
# Modularity, clustering or participation of anticorrelations are compared with a null in which
# there are none. Of the four correlations of strengths that it gives back, the two of negative
# weights are NaN; nothing else says so. randmio_und_signed, which it calls, keeps the signs.
# Expected: as many negative weights as before, of the same sizes.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bctpy==0.6.1 numpy==2.4.6 scipy==1.17.1
cd "$folder"
venv/bin/python -W ignore - <<'PY'
from importlib.metadata import version

import bct
import numpy as np

print("bctpy", version("bctpy"))
rng = np.random.default_rng(0)
weights = np.corrcoef(rng.normal(size=(60, 1)) / 3 + rng.normal(size=(60, 30)), rowvar=False)
np.fill_diagonal(weights, 0)
null, strengths = bct.null_model_und_sign(weights, seed=0)
rewired, _ = bct.randmio_und_signed(weights, 5, seed=0)
edges = np.triu_indices(30, 1)
n_negative = {}
for what, matrix in (("network", weights), ("null model", null), ("rewired", rewired)):
    n_negative[what] = int((matrix[edges] < 0).sum())
    print(f"{what:11} {n_negative[what]:3} of 435 weights below 0, sum {matrix[edges].sum():6.1f}")
print("correlations of strengths:", np.round(strengths, 2))
assert n_negative["rewired"] == n_negative["network"] > 100
assert np.allclose(np.sort(np.abs(null[edges])), np.sort(np.abs(weights[edges])))
assert n_negative["null model"] == 0, "the behaviour has changed"
PY
