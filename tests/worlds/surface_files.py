"""Files on surfaces as others write them: by nibabel, from values that are known."""

import nibabel as nib
import numpy as np
from nibabel import cifti2
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable

LEFT, RIGHT = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"
SIDES = {"L": "CortexLeft", "R": "CortexRight"}
AFFINE = np.array([[-2.0, 0, 0, 6], [0, 2, 0, -8], [0, 0, 2, -4], [0, 0, 0, 1]])
"""Of a lattice whose x points to the left, as in the files of HCP and fMRIPrep."""


def brain_axis(n_left=12, n_right=9, left=None, right=None, ijk=None, affine=AFFINE):
    """Axis of some vertices of both hemispheres, and of some voxels."""
    axis = cifti2.BrainModelAxis.from_surface(
        np.arange(n_left) if left is None else left, n_left, LEFT
    )
    axis += cifti2.BrainModelAxis.from_surface(
        np.arange(n_right) if right is None else right, n_right, RIGHT
    )
    if ijk is not None:
        axis += cifti2.BrainModelAxis(
            ["CIFTI_STRUCTURE_THALAMUS_LEFT"] * len(ijk),
            voxel=np.asarray(ijk),
            affine=affine,
            volume_shape=(8, 9, 7),
        )
    return axis


def write_dtseries(path, values, axis, *, step=2.0, unit="SECOND", dtype=None):
    """A run of values (T, V)."""
    series = cifti2.SeriesAxis(0, step, len(values), unit=unit)
    header = cifti2.Cifti2Header.from_axes((series, axis))
    image = nib.Cifti2Image(values, header)
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SERIES")
    if dtype is not None:
        image.set_data_dtype(dtype)
    image.to_filename(path)
    return path


def write_dlabel(path, keys, names, axis):
    """Labels (V,) and their names by key."""
    table = {key: (name, (1, 1, 1, 1)) for key, name in names.items()}
    header = cifti2.Cifti2Header.from_axes((cifti2.LabelAxis(["map"], [table]), axis))
    image = nib.Cifti2Image(np.asarray(keys, dtype=np.float32)[np.newaxis], header)
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS")
    image.to_filename(path)
    return path


def write_func(path, values, side, *, one=False, encoding="GIFTI_ENCODING_B64GZ"):
    """A run of one hemisphere (V, T): an array for each volume, or one of all."""
    values = np.asarray(values)
    arrays = [values] if one else list(values.T)
    image = GiftiImage(
        darrays=[
            GiftiDataArray(
                np.ascontiguousarray(array, dtype=np.float32),
                intent="NIFTI_INTENT_TIME_SERIES",
                datatype="NIFTI_TYPE_FLOAT32",
                encoding=encoding,
            )
            for array in arrays
        ]
    )
    image.meta["AnatomicalStructurePrimary"] = SIDES[side]
    image.to_filename(path)
    return path


def write_label(path, keys, names, side):
    """Labels of one hemisphere, and their names by key."""
    table = GiftiLabelTable()
    for key, name in names.items():
        label = GiftiLabel(key=key, red=1, green=1, blue=1, alpha=1)
        label.label = name
        table.labels.append(label)
    image = GiftiImage(
        labeltable=table,
        darrays=[
            GiftiDataArray(
                np.asarray(keys, dtype=np.int32),
                intent="NIFTI_INTENT_LABEL",
                datatype="NIFTI_TYPE_INT32",
            )
        ],
    )
    image.meta["AnatomicalStructurePrimary"] = SIDES[side]
    image.to_filename(path)
    return path
