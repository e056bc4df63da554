#!/usr/bin/env bash
# Edges that nobody has get values, and values that differ between sites.
#
# Seen with neuroCombat 0.2.12: features that are 0 in every subject (absent edges, an uncovered region)
# are given a variance of 1 and shrunk towards the effects that sites have on all others: they come
# out with values as large as the spread of real edges, one for each site. The real edges change as
# well, by up to a tenth of a standard deviation, as the empty ones are among those from which the
# effects of sites are learned. The version in R refuses constant features ("Remove these rows and
# rerun ComBat"); this one says nothing.
# Expected: 0 stays 0, or an error.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet neuroCombat==0.2.12 numpy==1.26.4 pandas==2.3.3
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import contextlib
import io
from importlib.metadata import version

import numpy as np
import pandas as pd

print("neuroCombat", version("neuroCombat"))
from neuroCombat import neuroCombat

rng = np.random.default_rng(0)
site = np.repeat(["A", "B", "C"], 20)
edges = rng.normal(0.3, 0.1, size=(190, 60))
edges[:, site == "B"] += rng.normal(0.1, 0.05, size=(190, 1))
edges[:, site == "C"] += 0.8 * (edges[:, site == "C"] - 0.3)


def harmonised(values):
    with contextlib.redirect_stdout(io.StringIO()):
        return neuroCombat(values, pd.DataFrame({"SITE": site}), "SITE")["data"]


alone = harmonised(edges)
together = harmonised(np.vstack([edges, np.zeros((20, 60))]))
empty, change = together[190:], np.abs(together[:190] - alone).max() / alone.std()
for name in "ABC":
    print(f"edges of 0, site {name}: {empty[:, site == name].mean():.3f}", end="; ")
print(f"\nstandard deviation of the others {alone.std():.3f}; they change by up to {change:.2f} of it")
assert np.abs(empty).max() > 0.05, "the behaviour has changed"
PY
