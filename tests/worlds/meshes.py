"""Meshes made in code, and Workbench as a witness of what is done along them."""

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData
from scipy.spatial import ConvexHull

from bidsmask.images.meshes import Mesh, read_mesh

needs_workbench = pytest.mark.skipif(
    shutil.which("wb_command") is None, reason="wb_command (Connectome Workbench) is not installed"
)

SIDES = {"L": "CortexLeft", "R": "CortexRight"}


def ball(n_vertices=200, radius=20.0, seed=0):
    """A sphere of triangles of different sizes: points on a spiral, shaken."""
    steps = np.arange(n_vertices) + 0.5
    height, turn = 1 - 2 * steps / n_vertices, np.pi * (1 + np.sqrt(5)) * steps
    points = np.column_stack([np.cos(turn), np.sin(turn), height])
    points[:, :2] *= np.sqrt(1 - height**2)[:, np.newaxis]
    points += np.random.default_rng(seed).normal(0, 0.5 / np.sqrt(n_vertices), points.shape)
    points *= radius / np.linalg.norm(points, axis=1, keepdims=True)
    return Mesh(coordinates=points, faces=ConvexHull(points).simplices.astype(np.intp))


def white_surface():
    """A real mesh: fsaverage5, left, as nilearn has it."""
    datasets = Path(pytest.importorskip("nilearn").__file__).parent / "datasets"
    return read_mesh(datasets / "data" / "fsaverage5" / "white_left.gii.gz")


def write_mesh(path, mesh, side="L"):
    """A ``.surf.gii`` file."""
    about = GiftiMetaData(AnatomicalStructurePrimary=SIDES[side])
    points = GiftiDataArray(
        mesh.coordinates.astype(np.float32), intent="NIFTI_INTENT_POINTSET", meta=about
    )
    triangles = GiftiDataArray(mesh.faces.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE")
    nib.save(GiftiImage(darrays=[points, triangles]), path)
    return path


def workbench(*words):
    """Call wb_command; its words are those that it writes."""
    called = subprocess.run(
        ["wb_command", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert called.returncode == 0, called.stdout + called.stderr
    return called.stdout
