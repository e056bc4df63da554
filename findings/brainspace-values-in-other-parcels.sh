#!/usr/bin/env bash
# map_to_labels paints values into other parcels than those whose labels were given for them.
#
# Seen with brainspace 0.3.0: source_lab says which label each value is of, and may name more labels
# than there are in the surface. If a parcel is absent (a hemisphere, a masked surface), every later
# value goes one parcel too far; if the labels are not in ascending order, values are exchanged.
# Expected: the value of label 5 at the vertices of label 5.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
"$folder/venv/bin/pip" install --quiet --no-deps brainspace==0.3.0
cd "$folder"
venv/bin/python - <<'PY'
from importlib.metadata import version

import numpy as np

print("brainspace", version("brainspace"))
from brainspace.utils.parcellation import map_to_labels

value_of = {1: 10.0, 2: 20.0, 5: 50.0}


def painted(vertices, labels):
    values = np.array([value_of[label] for label in labels])
    found = map_to_labels(values, np.array(vertices), source_lab=np.array(labels)).tolist()
    right = [value_of[label] for label in vertices]
    print(f"vertices {vertices}, labels {labels}: {found}, expected {right}")
    return found == right


assert painted([1, 2, 5, 5], [1, 2, 5])
assert not painted([2, 5, 5], [1, 2, 5]), "the behaviour has changed"
assert not painted([1, 2, 5, 5], [5, 1, 2]), "the behaviour has changed"
PY
