#!/usr/bin/env bash
# Confounds given to ConnectivityMeasure take the difference between two groups away with them.
#
# Seen with nilearn 0.14.1: ConnectivityMeasure(vectorize=True).fit_transform(signals, confounds=…)
# regresses the confounds out of the edges, and with them a straight line over the subjects, in the
# order in which they are given, as if subjects were volumes; the edges come out as standard scores.
# 20 patients after 20 controls (t = 8.3) differ no more (t = 1.4) after regression of a random
# confound. The same subjects in a shuffled order have t = 7.8, as the regression of the confound
# alone gives. The documentation speaks of confounds only.
# Expected: the same residuals whatever the order of the subjects.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nilearn==0.14.1 nibabel==5.4.2 numpy==2.4.6 \
  pandas==3.1.1 scikit-learn==1.9.1 scipy==1.17.1
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import nilearn
import numpy as np

print("nilearn", nilearn.__version__)
from nilearn.connectome import ConnectivityMeasure

rng = np.random.default_rng(0)
patient = np.repeat([False, True], 20)
shares = np.where(patient, 0.8, 0.55)
signals = [s * rng.normal(size=(150, 1)) + rng.normal(size=(150, 4)) for s in shares]
motion = rng.normal(0.2, 0.05, size=(40, 1))


def t_of_first_edge(order, confounds=None):
    measure = ConnectivityMeasure(kind="correlation", vectorize=True, discard_diagonal=True)
    edges = measure.fit_transform([signals[i] for i in order], confounds=confounds)[:, 0]
    one, other = edges[patient[order]], edges[~patient[order]]
    return (one.mean() - other.mean()) / np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 20)


sorted_, shuffled = np.arange(40), rng.permutation(40)
found = {
    "no confounds": t_of_first_edge(sorted_),
    "motion, controls first": t_of_first_edge(sorted_, motion),
    "motion, shuffled": t_of_first_edge(shuffled, motion[shuffled]),
}
for what, t in found.items():
    print(f"{what:24} t = {t:.1f}")
assert found["no confounds"] > 6 and found["motion, shuffled"] > 6
assert found["motion, controls first"] < 2, "the behaviour has changed"
PY
