"""The demo's cortex as a surface: meshes, and a run that was sampled onto them.

The mid-depth of the cortical ribbon is known, so a mesh of each hemisphere needs no segmentation:
a sphere's vertices are pushed out, from the middle of the hemisphere, until they reach it. Those
that come to the gap between the hemispheres first are the medial wall, which has no cortex and so
no signal. As fMRIPrep does, a run in volumes is sampled there, and written twice: as
grayordinates (fsLR, without the medial wall, with two structures of voxels) and as a GIFTI file
for each hemisphere (fsaverage, medial wall of zeros). Spaces have the names of real ones, the
shape is the demo's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import map_coordinates

from bidsmask._typing import Array, BoolArray, FloatArray, IntArray
from bidsmask.demo.atlas import region_at, region_names, region_table
from bidsmask.demo.brain import CENTRE_MM, RIBBON_DEPTH, depth, voxel_centres
from bidsmask.demo.dataset import ATLAS_NAME, BOLD_GRID, SPACE, DemoDataset, RunFiles
from bidsmask.demo.files import write_json, write_table
from bidsmask.demo.signals import T_R
from bidsmask.images.grayordinates import HEMISPHERES, Grayordinates, Structure, whole_meshes
from bidsmask.images.surface_files import label_files, value_files
from bidsmask.numerics.affine import apply_affine

N_DIVISIONS = 3
"""Times that the faces of an icosahedron are cut in four."""

N_VERTICES = 10 * 4**N_DIVISIONS + 2
"""Of each hemisphere."""

SPACES = (SPACE, "fsLR", "fsaverage3")
"""Those that there are runs in, as fMRIPrep would call them."""

_SIDES = {"L": -1.0, "R": 1.0}
_STRUCTURES = dict(zip(_SIDES, HEMISPHERES.values(), strict=True))
_INSIDE_MM = 34.0
"""From the middle of the brain to the middle of a hemisphere."""

_WALL_MM = 3.0
"""From the middle of the brain to the medial wall."""

_STEPS_MM = np.arange(0.0, 120.0, 0.25)
_DENSITY = {"Density": f"{N_VERTICES} vertices per hemisphere, drawn for the demo"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Hemisphere:
    """The surface in the middle of the cortical ribbon.

    Parameters
    ----------
    coordinates : float array of shape (V, 3)
        In mm (RAS+).
    faces : int array of shape (F, 3)
    is_cortex : bool array of shape (V,)
        False: the medial wall.
    """

    coordinates: FloatArray
    faces: IntArray
    is_cortex: BoolArray


def write_surfaces(demo: DemoDataset) -> None:
    """Sample the last run of a demo on surfaces; write it, meshes and the atlas on these."""
    hemispheres = {label: draw_hemisphere(side) for label, side in _SIDES.items()}
    run, anatomy = demo.runs[-1], demo.root / demo.runs[-1].bold.relative_to(demo.root).parts[0]
    for label, hemisphere in hemispheres.items():
        for space in (f"fsLR_den-{N_VERTICES}", "fsaverage"):
            name = f"{anatomy.name}_hemi-{label}_space-{space}_midthickness.surf.gii"
            _write_mesh(anatomy / "anat" / name, hemisphere, label)
    image: Any = nib.load(run.bold)
    volumes = np.asarray(image.dataobj).astype(np.float32)
    on_mesh = [
        np.where(each.is_cortex, _sampled(volumes, each.coordinates), np.float32(0))
        for each in hemispheres.values()
    ]
    _write_grayordinates(run, hemispheres, on_mesh, volumes)
    _write_pair(run, on_mesh)
    _write_atlas(demo.atlas.parent, hemispheres)


def draw_hemisphere(side: float) -> Hemisphere:
    """Draw a hemisphere of the demo's head.

    Parameters
    ----------
    side : float
        -1 for the left, 1 for the right one.
    """
    directions, faces = sphere(N_DIVISIONS)
    directions = directions * [side, 1.0, 1.0]
    start = CENTRE_MM + np.array([side * _INSIDE_MM, 0.0, 0.0])
    along = start + _STEPS_MM[:, None, None] * directions
    at_wall = side * along[..., 0] <= _WALL_MM
    outside = depth(along) >= (1 + RIBBON_DEPTH) / 2
    reached = np.argmax(at_wall | outside, axis=0)
    vertices = np.arange(N_VERTICES)
    return Hemisphere(
        coordinates=along[reached, vertices],
        faces=faces if side > 0 else faces[:, ::-1],
        is_cortex=~at_wall[reached, vertices],
    )


def sphere(n_divisions: int) -> tuple[FloatArray, IntArray]:
    """Divide the faces of an icosahedron.

    Returns
    -------
    vertices : float array of shape (10 * 4**n_divisions + 2, 3)
        Of length 1; those of a coarser sphere come first.
    faces : int array of shape (20 * 4**n_divisions, 3)
        Counter-clockwise, seen from outside.

    Examples
    --------
    >>> vertices, faces = sphere(1)
    >>> vertices.shape, faces.shape
    ((42, 3), (80, 3))
    """
    vertices, faces = _icosahedron()
    for _ in range(n_divisions):
        edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=-1).reshape(-1, 2)
        unique, number = np.unique(edges, axis=0, return_inverse=True)
        middles = vertices[unique].sum(axis=1)
        between = len(vertices) + number.reshape(-1, 3)
        vertices = np.concatenate(
            [vertices, middles / np.linalg.norm(middles, axis=1, keepdims=True)]
        )
        corners = [
            np.stack([faces[:, k], between[:, k], between[:, k - 1]], axis=1) for k in range(3)
        ]
        faces = np.concatenate([*corners, between])
    return vertices, faces


def _icosahedron() -> tuple[FloatArray, IntArray]:
    golden = (1 + np.sqrt(5)) / 2
    rectangle = np.array([[0, 1, golden], [0, -1, golden], [0, 1, -golden], [0, -1, -golden]])
    vertices = np.concatenate([np.roll(rectangle, axis, axis=1) for axis in range(3)])
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    far = np.linalg.norm(vertices[:, None] - vertices, axis=-1)
    near = (far > 0) & (far < 1.1)
    faces = [
        (a, b, c)
        for a in range(12)
        for b in range(a + 1, 12)
        for c in range(b + 1, 12)
        if near[a, b] and near[b, c] and near[a, c]
    ]
    outward = [np.linalg.det(vertices[list(face)]) > 0 for face in faces]
    turned = [face if out else face[::-1] for face, out in zip(faces, outward, strict=True)]
    return vertices, np.array(turned)


def _sampled(volumes: FloatArray, places_mm: FloatArray) -> FloatArray:
    """Interpolate volumes (X, Y, Z, T) linearly at places (V, 3): an array (T, V)."""
    voxels = apply_affine(np.linalg.inv(BOLD_GRID.affine), places_mm).T
    return np.stack(
        [
            map_coordinates(volume, voxels, order=1, output=np.float32)
            for volume in np.moveaxis(volumes, -1, 0)
        ]
    )


def _structures(hemispheres: dict[str, Hemisphere]) -> Iterator[Structure]:
    """List the cortex without medial wall, and the deep nuclei, which are voxels."""
    for label, hemisphere in hemispheres.items():
        yield Structure(
            name=_STRUCTURES[label],
            places=np.flatnonzero(hemisphere.is_cortex),
            n_vertices=N_VERTICES,
        )
    centres = voxel_centres(BOLD_GRID)
    for label, side in {"LEFT": -1.0, "RIGHT": 1.0}.items():
        near = np.linalg.norm((centres - [side * 24, -4, 4]) / [11, 18, 12], axis=-1) < 1
        yield Structure(name=f"PUTAMEN_{label}", places=np.argwhere(near))


def _write_grayordinates(
    run: RunFiles,
    hemispheres: dict[str, Hemisphere],
    on_mesh: list[FloatArray],
    volumes: FloatArray,
) -> None:
    places = Grayordinates(
        structures=tuple(_structures(hemispheres)), volume=BOLD_GRID, space="fsLR"
    )
    in_cortex = [
        values[:, each.is_cortex]
        for values, each in zip(on_mesh, hemispheres.values(), strict=True)
    ]
    deep = [volumes[tuple(each.places.T)].T for each in places.structures if not each.is_surface]
    rows = np.concatenate([*in_cortex, *deep], axis=1)
    path = Path(f"{_native(run)}_space-fsLR_den-{N_VERTICES}_bold.dtseries.nii")
    (content,) = value_files(rows, places, "cifti", t_r=T_R)
    path.write_bytes(b"".join(content))
    reference = {
        "VolumeReference": SPACE,
        "CIFTI_STRUCTURE_LEFT_CORTEX": "drawn for the demo",
        "CIFTI_STRUCTURE_RIGHT_CORTEX": "drawn for the demo",
    }
    sidecar = {"SkullStripped": False, "SpatialReference": reference, **_DENSITY}
    write_json(Path(f"{path}".removesuffix(".dtseries.nii") + ".json"), sidecar)


def _write_pair(run: RunFiles, on_mesh: list[FloatArray]) -> None:
    places = whole_meshes(dict.fromkeys(_STRUCTURES.values(), N_VERTICES), "fsaverage")
    files = value_files(np.concatenate(on_mesh, axis=1), places, "gifti")
    for label, content in zip(_SIDES, files, strict=True):
        stem = f"{_native(run)}_hemi-{label}_space-{SPACES[-1]}_bold"
        Path(f"{stem}.func.gii").write_bytes(b"".join(content))
        write_json(Path(f"{stem}.json"), {"SkullStripped": False, **_DENSITY})


def _native(run: RunFiles) -> str:
    """Give the path of a run up to the entity of its space."""
    return str(run.bold).partition(f"_space-{SPACE}")[0]


def _write_atlas(folder: Path, hemispheres: dict[str, Hemisphere]) -> None:
    """Write the regions of the demo atlas at each vertex, for both spaces."""
    labels = [
        np.where(each.is_cortex, region_at(each.coordinates), 0) for each in hemispheres.values()
    ]
    names = dict(enumerate(region_names(), start=1))
    cortex = [each for each in _structures(hemispheres) if each.is_surface]
    places = Grayordinates(structures=tuple(cortex), space="fsLR")
    in_cortex = [
        values[each.is_cortex] for values, each in zip(labels, hemispheres.values(), strict=True)
    ]
    stem = folder / f"tpl-fsLR_atlas-{ATLAS_NAME}_den-{N_VERTICES}_dseg"
    (content,) = label_files(np.concatenate(in_cortex), names, places, "cifti")
    Path(f"{stem}.dlabel.nii").write_bytes(content)
    write_table(Path(f"{stem}.tsv"), region_table())
    whole = whole_meshes(dict.fromkeys(_STRUCTURES.values(), N_VERTICES), "fsaverage")
    files = label_files(np.concatenate(labels), names, whole, "gifti")
    for label, content in zip(_SIDES, files, strict=True):
        name = f"tpl-fsaverage_hemi-{label}_den-{N_VERTICES}_atlas-{ATLAS_NAME}_dseg.label.gii"
        (folder / name).write_bytes(content)
    write_table(
        folder / f"tpl-fsaverage_den-{N_VERTICES}_atlas-{ATLAS_NAME}_dseg.tsv", region_table()
    )


def _write_mesh(path: Path, hemisphere: Hemisphere, label: str) -> None:
    from nibabel import gifti

    library: Any = gifti

    def array(values: Array, intent: str, kind: str) -> Any:
        return library.GiftiDataArray(
            np.ascontiguousarray(values),
            intent=f"NIFTI_INTENT_{intent}",
            datatype=f"NIFTI_TYPE_{kind}",
        )

    points = array(hemisphere.coordinates.astype(np.float32), "POINTSET", "FLOAT32")
    faces = array(hemisphere.faces.astype(np.int32), "TRIANGLE", "INT32")
    points.meta["AnatomicalStructurePrimary"] = f"Cortex{'Left' if label == 'L' else 'Right'}"
    points.meta["GeometricType"] = "Anatomical"
    points.meta["AnatomicalStructureSecondary"] = "MidThickness"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(library.GiftiImage(darrays=[points, faces]).to_bytes())
