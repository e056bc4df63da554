#!/usr/bin/env bash
# GIFTI files with values in text lose small values when nibabel saves them.
#
# Seen with nibabel 5.4.2: an array whose encoding is ASCII is written with six decimals, whatever its
# size: 1.2e-7 becomes 0, 0.00012345 becomes 0.000123. The encoding is that of the file that was
# read, so that loading a text file of another program and saving it, nothing else, changes it.
# The same array in base64 comes back as it was.
# Expected: the seven or more significant digits that a float32 has, as other programs write.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nibabel==5.4.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import nibabel as nib
import numpy as np
from nibabel.gifti import GiftiDataArray, GiftiImage

print("nibabel", nib.__version__)
TEXT = """<?xml version="1.0" encoding="UTF-8"?>
<GIFTI Version="1.0" NumberOfDataArrays="1"><DataArray Intent="NIFTI_INTENT_NONE"
DataType="NIFTI_TYPE_FLOAT32" ArrayIndexingOrder="RowMajorOrder" Dimensionality="1" Dim0="4"
Encoding="ASCII" Endian="LittleEndian" ExternalFileName="" ExternalFileOffset="">
<Data>1.2e-07 0.00012345 0.5 5000.125</Data></DataArray></GIFTI>
"""
with open("theirs.func.gii", "w") as file:
    file.write(TEXT)
theirs = nib.load("theirs.func.gii")
values = theirs.darrays[0].data
nib.save(theirs, "again.func.gii")
again = nib.load("again.func.gii").darrays[0].data
nib.save(GiftiImage(darrays=[GiftiDataArray(values)]), "base64.func.gii")
base64 = nib.load("base64.func.gii").darrays[0].data
for what, array in (("read", values), ("saved in text", again), ("saved in base64", base64)):
    print(f"{what:16}", *array)
assert np.array_equal(values, np.float32([1.2e-7, 0.00012345, 0.5, 5000.125]))
assert np.array_equal(base64, values)
assert np.array_equal(again, np.float32([0, 0.000123, 0.5, 5000.125])), "the behaviour has changed"
PY
